// What is looked at stands in the address, whole: reloading and going back show the same again.

const EMPTY = { view: "clips", q: "", component: "", word: "", scale: "", origin: "", status: "", sort: "", clip: "", frame: "", flow: "" };

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { ...EMPTY };
  for (const name of Object.keys(EMPTY)) if (given.has(name)) state[name] = given.get(name);
  return state;
}

function addressOf(state) {
  const kept = Object.entries(state).filter(([name, value]) => value !== EMPTY[name]);
  return "#" + new URLSearchParams(kept).toString();
}

let state = readState();
const watchers = [];

// `change` becomes part of the address: as a step that "back" undoes, or in the place of the last one.
function setState(change, { step = true } = {}) {
  const next = { ...state, ...change };
  if (addressOf(next) === addressOf(state)) return;
  if (step && later) writeAddress(); // of what is left behind
  state = next;
  if (step) history.pushState(null, "", addressOf(state));
  else if (performance.now() - written > WRITE_EVERY) writeAddress();
  else later ||= setTimeout(writeAddress, WRITE_EVERY);
  for (const watcher of watchers) watcher();
}

// A film that plays changes the address with each frame, and browsers allow so many changes in ten seconds.
const WRITE_EVERY = 200;
let later = 0;
let written = -WRITE_EVERY;
function writeAddress() {
  clearTimeout(later);
  later = 0;
  written = performance.now();
  history.replaceState(null, "", addressOf(state));
}

// The address was changed by hand, by a link, or by going back.
addEventListener("popstate", () => {
  clearTimeout(later);
  later = 0;
  state = readState();
  for (const watcher of watchers) watcher();
});
