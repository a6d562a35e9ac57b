// What every part of the page stands on: what it knows of the set, and elements made without markup.

// What stands in the page as JSON; the text itself is not kept.
function takenJson(id) {
  const element = document.getElementById(id);
  const table = JSON.parse(element.textContent);
  element.remove();
  return table;
}

const KNOWN = takenJson("known");
const CLIPS = KNOWN.clips;
const REJECTED = KNOWN.rejected;
const NUM_CLIPS = CLIPS.key.length;
const STILL_MOTION = matchMedia("(prefers-reduced-motion: reduce)");

const byId = (id) => document.getElementById(id);

// An element with properties, attributes (names with a dash, `role`, `for`) and children; text is text.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Gives an element the proportions of a picture, and no more height than leaves room for what is below it.
function proportioned(element, width, height) {
  element.style.aspectRatio = `${width} / ${height}`;
  element.style.maxWidth = `calc(66vh * ${width / height})`;
}

// Text of a corpus: its direction is its own, whatever stands around it.
const own = (tag, text, className = "") => make(tag, { textContent: text, className, dir: "auto" });

const count = (number) => number.toLocaleString("en-US");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const texts = (column, row) => column.at[row].map((number) => column.of[number]);
const text = (column, row) => texts(column, row).join(", ");
