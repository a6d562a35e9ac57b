"use strict";
// Asks for a ranking, and lays out what each stage made of it. All text goes in as text, never as markup.

const byId = (id) => document.getElementById(id);
const KNOWN = JSON.parse(byId("known").textContent);
const count = (number) => number.toLocaleString("en-US");

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// 62.5 -> "1:02.5"
function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

function changeOf(hit, ranking) {
  if (!KNOWN.fine) return null;
  const places = hit.coarse_rank - hit.rank;
  const other = ranking === "final" ? `coarse ${hit.coarse_rank}` : `now ${hit.rank}`;
  const moved = places > 0 ? `▲ ${places}` : places < 0 ? `▼ ${-places}` : "=";
  return make("span", `change ${places > 0 ? "up" : places < 0 ? "down" : ""}`, `${moved}  ${other}`);
}

function stripOf(hit) {
  const strip = make("div", "strip");
  const image = new Image();
  image.alt = `${hit.num_frames} frames of ${hit.video_id}; the words fit number ${hit.frame + 1} best`;
  image.loading = "lazy";
  const here = make("div", "here");
  here.style.setProperty("left", `${(100 * hit.frame) / hit.num_frames}%`);
  here.style.setProperty("width", `${100 / hit.num_frames}%`);
  const address = `/strip/${hit.row}.jpg?${KNOWN.edition}`;
  image.addEventListener("error", async () => {
    const reply = await fetch(address).catch(() => null);
    strip.replaceChildren(make("p", "gone", reply ? await reply.text() : "the command that serves this page has ended"));
  });
  image.src = address;
  strip.append(image, here);
  return strip;
}

function itemOf(hit, ranking) {
  const item = make("li", "hit");
  item.tabIndex = 0;
  item.dataset.row = hit.row;
  const line = make("div", "line");
  const name = make("span", "name", hit.video_id);
  name.dir = "auto";
  name.title = hit.path;
  line.append(make("span", "rank", String(ranking === "final" ? hit.rank : hit.coarse_rank)), name);
  const change = changeOf(hit, ranking);
  if (change) line.append(change);
  const scores = [`coarse ${hit.coarse.toFixed(2)}`];
  if (hit.fine !== null) scores.push(`fine ${hit.fine.toFixed(2)}`, `together ${hit.score.toFixed(2)}`);
  const moment = `moment ${clock(hit.moment)} to ${clock(hit.moment_end)} of ${clock(hit.duration)}`;
  item.append(line, make("p", "numbers", `${moment}; ${scores.join(", ")}`), stripOf(hit));
  return item;
}

// The same video in the other ranking is marked, too.
function mark(row) {
  for (const item of document.querySelectorAll(".hit")) item.classList.toggle("twin", item.dataset.row === row);
}

function show(found) {
  byId("rankings").hidden = false;
  byId("rankings").classList.toggle("one", !KNOWN.fine);
  byId("coarse-section").hidden = !KNOWN.fine;
  byId("final-title").textContent = KNOWN.fine ? "Both stages" : "Coarse stage: this model has no fine one";
  for (const ranking of ["final", "coarse"]) {
    byId(ranking).replaceChildren(...found[ranking].map((row) => itemOf(found.videos[row], ranking)));
  }
  const spent = Object.entries(found.milliseconds).map(([name, value]) => `${name} ${value.toFixed(1)} ms`);
  const read = found.num_read ? `, ${count(found.num_read)} read by the fine stage` : "";
  say(`${count(found.num_videos)} videos searched${read}: ${spent.join(", ")}`);
}

function say(text, wrong = false) {
  byId("said").textContent = text;
  byId("said").classList.toggle("wrong", wrong);
}

// The newest question; answers to older ones are dropped.
let asked = 0;

async function ask(words, top) {
  const mine = ++asked;
  document.title = `${words}: retrieval search`;
  say("searching …");
  try {
    const reply = await fetch(`/search?${new URLSearchParams({ q: words, top })}`);
    const answer = reply.ok ? await reply.json() : await reply.text();
    if (mine !== asked) return;
    if (reply.ok) show(answer);
    else {
      byId("rankings").hidden = true;
      say(answer, true);
    }
  } catch {
    if (mine === asked) say("the command that serves this page has ended", true);
  }
}

// What is shown has an address of its own: #q=a+dog&top=20.
function follow() {
  const state = new URLSearchParams(location.hash.slice(1));
  const words = state.get("q") ?? "";
  const top = Math.min(KNOWN.most, Math.max(1, Number.parseInt(state.get("top"), 10) || KNOWN.top));
  byId("q").value = words;
  byId("top").value = top;
  if (words.trim()) ask(words, top);
}

function begin() {
  byId("facts").textContent = `${count(KNOWN.videos)} videos${KNOWN.folder ? ` of ${KNOWN.folder}` : ""}, by ${KNOWN.model}`;
  byId("top").max = KNOWN.most;
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = `#${new URLSearchParams({ q: byId("q").value, top: byId("top").value })}`;
    if (location.hash === wanted) follow();
    else location.hash = wanted;
  });
  for (const kind of ["pointerover", "focusin"]) {
    byId("rankings").addEventListener(kind, (event) => mark(event.target.closest(".hit")?.dataset.row));
  }
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const items = [...document.querySelectorAll(".hit")];
    const at = items.indexOf(document.activeElement);
    if (event.key === "/") byId("q").select();
    else if (event.key === "j") items[Math.min(at + 1, items.length - 1)]?.focus();
    else if (event.key === "k") items[Math.max(at - 1, 0)]?.focus();
    else if (event.key === "f" && at >= 0) items.find((item, i) => i !== at && item.dataset.row === items[at].dataset.row)?.focus();
    else return;
    event.preventDefault();
  });
  follow();
  if (!location.hash) byId("q").focus();
}

begin();
