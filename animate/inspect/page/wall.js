// The wall: the clips that the filters leave, in the wanted order. Only cards in view, and one row around,
// exist; a card plays while the pointer is over it or the keyboard is at it.

const GAP = 14, NARROWEST = 200, TEXT_HEIGHT = 96;
const SORTS = {
  "": ["as in the set", null, 1],
  "speed": ["speed, slow first", "speed", 1], "-speed": ["speed, fast first", "speed", -1],
  "view": ["view area, small first", "view", 1], "-view": ["view area, large first", "view", -1],
  "union": ["union area, small first", "union", 1], "-union": ["union area, large first", "union", -1],
  "size": ["size, small first", "size", 1], "-size": ["size, large first", "size", -1],
};
const LISTS = ["component", "word", "scale", "origin"];
const MOST_CHOICES = 300;

// What is searched, made when something is first searched for.
let haystack = null;
function searched(row) {
  haystack ??= CLIPS.key.map((key, i) =>
    [key, CLIPS.caption[i], text(CLIPS.camera, i), text(CLIPS.sentence, i)].join("\n").toLowerCase());
  return haystack[row];
}

function chosenClips() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = LISTS.filter((name) => state[name]).map((name) => [CLIPS[name].at, CLIPS[name].of.indexOf(state[name])]);
  const rows = [];
  for (let row = 0; row < NUM_CLIPS; row++) {
    if (wanted.every(([at, number]) => at[row].includes(number)) && words.every((word) => searched(row).includes(word)))
      rows.push(row);
  }
  const [, column, sign] = SORTS[state.sort] ?? SORTS[""];
  if (column) rows.sort((a, b) => sign * (CLIPS[column][a] - CLIPS[column][b]) || a - b);
  return rows;
}

class Wall {
  constructor(element) {
    this.element = element;
    this.rows = [];
    this.cards = new Map();
    this.current = -1;
    addEventListener("scroll", () => this.ask(), { passive: true });
    addEventListener("resize", () => this.lay());
  }

  show(rows) {
    for (const [place] of this.cards) this.remove(place);
    this.rows = rows;
    this.current = -1;
    this.lay();
  }

  // How many columns there are follows from the width alone, and a card's height from its own.
  lay() {
    const width = this.element.clientWidth;
    if (!width) return;
    const narrowest = width < 2.5 * NARROWEST ? NARROWEST / 1.4 : NARROWEST;
    this.columns = Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
    this.cardWidth = (width - (this.columns - 1) * GAP) / this.columns;
    this.step = Math.ceil((this.cardWidth * KNOWN.height) / KNOWN.width) + TEXT_HEIGHT + GAP;
    this.element.style.height = `${Math.max(0, Math.ceil(this.rows.length / this.columns) * this.step - GAP)}px`;
    for (const [place, card] of this.cards) this.put(place, card.cell);
    this.fill();
  }

  ask() {
    if (!this.asked) this.asked = requestAnimationFrame(() => { this.asked = 0; this.fill(); });
  }

  fill() {
    if (!this.element.clientWidth) return;
    const top = -this.element.getBoundingClientRect().top;
    const first = Math.max(0, (Math.floor(top / this.step) - 1) * this.columns);
    const end = Math.min(this.rows.length, (Math.ceil((top + innerHeight) / this.step) + 1) * this.columns);
    for (const [place] of this.cards) if (place < first || place >= end) this.remove(place);
    for (let place = first; place < end; place++) if (!this.cards.has(place)) this.add(place);
  }

  put(place, cell) {
    const column = place % this.columns, line = Math.floor(place / this.columns);
    Object.assign(cell.style, {
      left: `${column * (this.cardWidth + GAP)}px`, top: `${line * this.step}px`,
      width: `${this.cardWidth}px`, height: `${this.step - GAP}px`,
    });
  }

  add(place) {
    const row = this.rows[place];
    const film = new Film(row, `Frames of ${CLIPS.key[row]}`);
    const link = make("a", { className: "card", href: addressOf({ ...state, clip: CLIPS.key[row] }), title: text(CLIPS.camera, row) },
      film.element, own("p", CLIPS.caption[row]), own("p", text(CLIPS.sentence, row) || text(CLIPS.camera, row), "sentence"));
    const cell = make("div", { className: "cell", role: "listitem", "aria-setsize": this.rows.length, "aria-posinset": place + 1 }, link);
    const play = () => { if (!STILL_MOTION.matches) film.play(); };
    const rest = () => { if (!link.matches(":hover, :focus-visible")) film.showPoster(); };
    link.addEventListener("pointerenter", play);
    link.addEventListener("pointerleave", rest);
    link.addEventListener("focus", () => { this.mark(place); if (link.matches(":focus-visible")) play(); });
    link.addEventListener("blur", rest);
    film.showPoster();
    this.put(place, cell);
    // In the order of the list, so that the keyboard goes that way too.
    const after = [...this.cards].filter(([other]) => other > place).sort(([a], [b]) => a - b)[0];
    this.element.insertBefore(cell, after ? after[1].cell : null);
    this.cards.set(place, { cell, link, film });
    link.classList.toggle("current", place === this.current);
  }

  remove(place) {
    const card = this.cards.get(place);
    this.cards.delete(place);
    card.film.release();
    card.cell.remove();
  }

  mark(place) {
    this.cards.get(this.current)?.link.classList.remove("current");
    this.current = place;
    this.cards.get(place)?.link.classList.add("current");
  }

  // The card at `place` is in view and has the keyboard.
  focus(place) {
    if (!this.rows.length) return;
    place = Math.min(Math.max(place, 0), this.rows.length - 1);
    const top = this.element.getBoundingClientRect().top + scrollY + Math.floor(place / this.columns) * this.step;
    if (top < scrollY || top + this.step > scrollY + innerHeight) scrollTo(0, Math.max(0, top - (innerHeight - this.step) / 2));
    this.fill();
    this.mark(place);
    this.cards.get(place)?.link.focus({ preventScroll: true, focusVisible: true });
  }
}

// The choices of a filter with their counts, the most frequent first.
function fillChoices(name) {
  const numbers = CLIPS[name].of.map(() => 0);
  for (const row of CLIPS[name].at) for (const number of row) numbers[number]++;
  const order = numbers.map((_, i) => i).sort((a, b) => numbers[b] - numbers[a]).slice(0, MOST_CHOICES);
  const options = order.map((i) => new Option(`${CLIPS[name].of[i].slice(0, 80)} (${count(numbers[i])})`, CLIPS[name].of[i]));
  const more = numbers.length - options.length;
  if (more > 0) options.push(Object.assign(new Option(`and ${count(more)} more: search`, ""), { disabled: true }));
  byId(name).append(new Option("any", ""), ...options);
}
