// Puts the parts together: what the address says is shown, and what is pressed changes the address.

const wall = new Wall(byId("wall"));
const clipView = new ClipView(byId("clip-view"));

// Of the state, what decides the rows of the wall; when it is as it was, the wall stays.
let laidFor = null;
let wallScroll = 0;

function render() {
  const view = state.clip ? "clip" : ["rejected", "plots"].includes(state.view) ? state.view : "clips";
  const before = ["clips", "clip", "rejected", "plots"].find((name) => !byId(`${name}-view`).hidden);
  if (before === "clips" && view !== "clips") wallScroll = scrollY;
  for (const name of ["clips", "clip", "rejected", "plots"]) byId(`${name}-view`).hidden = name !== view;
  for (const name of ["clips", "rejected", "plots"]) {
    const link = byId(`to-${name}`);
    link.href = addressOf({ ...state, view: name, clip: "", frame: "", flow: "", status: "" });
    if (name === (view === "clip" ? "clips" : view)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const name of [...LISTS, "sort", "status"]) byId(name).value = state[name];
  byId("clear").hidden = ![...LISTS, "sort", "q"].some((name) => state[name]);
  if (document.activeElement !== byId("q")) byId("q").value = state.q;
  const wanted = JSON.stringify([state.q, state.sort, ...LISTS.map((name) => state[name])]);
  if (wanted !== laidFor) {
    laidFor = wanted;
    wallScroll = 0;
    wall.show(chosenClips());
    byId("found").textContent = wall.rows.length === NUM_CLIPS ? plural(NUM_CLIPS, "clip") : `${count(wall.rows.length)} of ${plural(NUM_CLIPS, "clip")}`;
  }
  if (view === "clip") clipView.show(state.clip);
  else if (clipView.key) clipView.close();
  if (view === "rejected") showRejected(byId("rejected-view"));
  if (view === "clips") {
    wall.lay();
    if (before && before !== "clips") {
      scrollTo(0, wallScroll);
      wall.fill();
      if (wall.current >= 0) wall.focus(wall.current);
    }
  } else if (before !== view) scrollTo(0, 0);
}

function begin() {
  byId("name").textContent = KNOWN.name;
  byId("choice").textContent = `${KNOWN.choice}, ${KNOWN.format}${KNOWN.complete ? "" : "; not finished yet"}`;
  const rejected = Object.keys(KNOWN.statuses).reduce((sum, name) => sum + KNOWN.counts[name], 0);
  byId("to-rejected").textContent = `Rejected (${count(rejected)})`;
  LISTS.forEach(fillChoices);
  byId("sort").append(...Object.entries(SORTS).map(([value, [said]]) => new Option(said, value)));
  byId("status").append(new Option(`clips (${count(KNOWN.counts.success)})`, ""),
    ...Object.keys(KNOWN.statuses).map((name) => new Option(`${name} (${count(KNOWN.counts[name])})`, name)));
  for (const name of [...LISTS, "sort"]) byId(name).addEventListener("change", (event) => setState({ [name]: event.target.value }));
  byId("status").addEventListener("change", (event) => setState({ status: event.target.value, view: event.target.value ? "rejected" : "clips" }));
  byId("q").addEventListener("input", (event) => setState({ q: event.target.value }, { step: false }));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => { byId("q").value = ""; setState({ ...EMPTY }); });
  byId("filters-button").addEventListener("click", () => openFilters(!byId("filters").classList.contains("open")));
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); wall.focus(Math.max(0, wall.current)); });
  byId("wall").addEventListener("click", openCard);
  document.addEventListener("keydown", press);
  watchers.push(render);
  render();
}

// A card's address is made when it is pressed: filters that were typed since are in it.
function openCard(event) {
  const link = event.target.closest(".card");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const [place] = [...wall.cards].find(([, card]) => card.link === link);
  wall.mark(place);
  setState({ clip: CLIPS.key[wall.rows[place]], frame: "", view: "clips" });
}

function openFilters(open) {
  byId("filters").classList.toggle("open", open);
  byId("filters-button").setAttribute("aria-expanded", String(open));
}

function goTo(by) {
  if (state.clip) {
    const place = wall.rows.indexOf(CLIPS.key.indexOf(state.clip)) + by;
    if (place < 0 || place >= wall.rows.length) return;
    wall.mark(place);
    setState({ clip: CLIPS.key[wall.rows[place]], frame: "" });
  } else if (state.view === "clips") wall.focus(wall.current < 0 ? 0 : wall.current + by);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const typing = event.target.matches("input:not([type=range], [type=checkbox]), select, textarea");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (state.clip) setState({ clip: "", frame: "", flow: "" });
    else openFilters(false);
    return;
  }
  if (typing) return;
  const control = event.target.closest("button, summary, video, input");
  const actions = {
    j: () => goTo(1), k: () => goTo(-1),
    "/": () => { if (state.clip || state.view !== "clips") setState({ clip: "", frame: "", flow: "", view: "clips" }); openFilters(true); byId("q").focus(); },
    f: () => { if (state.clip) setState({ flow: state.flow ? "" : "1" }, { step: false }); else { openFilters(true); byId("component").focus(); } },
    "?": () => byId("help").showModal(),
    " ": state.clip && !control ? () => clipView.toggle() : null,
    ArrowLeft: state.clip && clipView.clip && !control ? () => clipView.step(-1) : null,
    ArrowRight: state.clip && clipView.clip && !control ? () => clipView.step(1) : null,
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

begin();
