// One clip: its still with the way of the camera, its frames, its shots, and all that is recorded of it.

class ClipView {
  constructor(element) {
    this.element = element;
    this.key = "";
    addEventListener("resize", () => { this.still?.lay(); });
  }

  async show(key) {
    if (key === this.key) return this.update();
    this.close();
    this.key = key;
    const row = CLIPS.key.indexOf(key);
    if (row < 0) {
      this.element.replaceChildren(...this.top(), own("p", `There is no clip ${key} among those that are shown.`));
      return;
    }
    this.element.replaceChildren(...this.top(), own("h2", key), make("p", { textContent: "Loading…", className: "soft" }));
    try {
      const clip = await clipOf(row);
      if (this.key !== key) return;
      this.row = row;
      this.clip = clip;
      this.build();
    } catch (error) {
      if (this.key === key) this.element.append(own("p", String(error.message || error)));
    }
  }

  close() {
    this.pause();
    this.film?.release();
    this.still?.release();
    this.key = "";
    this.clip = this.film = this.still = null;
    this.element.replaceChildren();
  }

  top() {
    const back = make("a", { href: addressOf({ ...state, clip: "", frame: "", flow: "" }), textContent: "← All clips" });
    const turn = (by, said) => make("button", { type: "button", textContent: said, onclick: () => goTo(by) });
    this.placeText = make("span", { className: "place" });
    return [make("div", { className: "bar-top" }, back, this.placeText, turn(-1, "‹ Previous"), turn(1, "Next ›"))];
  }

  build() {
    const { json } = this.clip;
    this.edit = JSON.parse(json.shot);
    this.frameCount = json.num_frames;
    this.film = new Film(this.row, `Frame of ${this.key}`);
    this.still = new StillView(this.row, this.clip, (frame) => this.edit.shots[this.shotOf(frame)].still);
    proportioned(this.film.element, json.width, json.height);
    this.sharp = make("img", { alt: "", hidden: true });
    this.arrows = makeSvg("svg", { viewBox: `0 0 ${json.width} ${json.height}`, "aria-hidden": "true" });
    this.film.element.append(this.sharp, this.arrows);
    this.slider = make("input", { type: "range", min: 0, max: this.frameCount - 1, step: 1, id: "frame" });
    this.slider.addEventListener("input", () => { this.pause(); setState({ frame: this.slider.value }, { step: false }); });
    this.said = make("output", { htmlFor: "frame" });
    this.button = make("button", { type: "button", textContent: "Play", onclick: () => this.toggle() });
    this.flowBox = make("input", { type: "checkbox", onchange: () => setState({ flow: this.flowBox.checked ? "1" : "" }, { step: false }) });
    this.flowText = make("span", { className: "soft" });
    const title = own("h2", this.key);
    title.tabIndex = -1;
    this.element.replaceChildren(...this.top(), title,
      make("div", { className: "pair" },
        this.still.element,
        make("figure", {}, make("figcaption", { textContent: this.frameText() }), this.film.element,
          make("div", { className: "scrub" }, this.button, make("label", { htmlFor: "frame", textContent: "Frame" }), this.slider, this.said),
          make("label", {}, this.flowBox, " Optical flow to the next frame "), this.flowText,
          this.video())),
      make("h3", { textContent: "Shots" }), this.timeline(), ...this.facts());
    this.update();
    title.focus({ preventScroll: true });
  }

  frameText() {
    const { width, height, fps } = this.clip.json;
    const here = [];
    if (HELD && GRID.width < width) here.push(`${GRID.width} × ${GRID.height} pixels`);
    if (HELD && GRID.frames.length < this.frameCount) here.push(`${GRID.frames.length} of the frames`);
    return `${width} × ${height} pixels, ${plural(this.frameCount, "frame")}, ${fps} a second`
      + (here.length ? `; in this file ${here.join(" and ")}` : "");
  }

  video() {
    const address = videoOf(this.row);
    if (!address) return null;
    const fold = make("details", {}, make("summary", { textContent: "The MP4 as it is stored" }));
    fold.addEventListener("toggle", () => {
      if (fold.open && fold.children.length === 1) fold.append(make("video", { controls: true, loop: true, muted: true, src: address }));
    });
    return fold;
  }

  // A track a shot, over which the present frame is a line, and what each shot is made of.
  timeline() {
    this.nowLine = make("div", { className: "now-line" });
    const tracks = this.edit.shots.map((shot) => {
      const track = make("div", { className: "track" });
      track.style.marginLeft = `${(100 * shot.first) / this.frameCount}%`;
      track.style.width = `${(100 * shot.num_frames) / this.frameCount}%`;
      return track;
    });
    const said = this.edit.shots.map((shot, i) => {
      const parts = Object.entries(shot.components).map(([name, values]) => {
        const numbers = Object.entries(values).map(([key, value]) => `${key} ${value}`).join(", ");
        return `${name}${numbers ? ` (${numbers})` : ""}`;
      });
      const joint = i ? `${this.edit.transitions[i - 1].kind} to ` : "";
      return make("li", {}, own("b", joint + shot.name), ` frames ${shot.first} to ${shot.first + shot.num_frames - 1}`,
        own("small", parts.join(" · ")));
    });
    const lines = make("div", { className: "tracks", "aria-hidden": "true" }, ...tracks, this.nowLine);
    return make("div", {}, lines, make("ol", { className: "shots" }, ...said));
  }

  facts() {
    const { json, shard, offset, row, command } = this.clip;
    const captions = make("ol", {}, ...json.captions.map((caption) => own("li", caption)));
    const known = [
      ["Captions", captions], ["Camera", own("span", json.camera)], ["In a sentence", own("span", json.camera_caption || "—")],
      ["Source", own("span", [text(CLIPS.origin, this.row), json.url].filter(Boolean).join(" · "))],
      ["Lies in", `${shard}.tar at byte ${count(offset)}, ${count(CLIPS.size[this.row])} bytes; row ${row} of ${shard}.parquet`],
      ["Speed", `${CLIPS.speed[this.row]} % of the still's sides a second`],
      ["Areas", `smallest view ${(100 * json.view_area_min).toFixed(1)} % of the still, ${(100 * json.union_area).toFixed(1)} % shown in all`],
    ];
    const list = make("dl", { className: "facts" }, ...known.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", {}, value)]));
    const line = own("pre", command || "Its still is not at hand: say where the corpus lies, animate inspect … --source PATH.");
    const copy = make("button", { type: "button", textContent: "Copy", hidden: !command });
    copy.addEventListener("click", async () => { copy.textContent = (await copied(command)) ? "Copied" : "Select it by hand"; });
    return [make("h3", { textContent: "The clip" }), list, make("h3", { textContent: "Film it again" }), make("div", { className: "command" }, line, copy),
      make("details", {}, make("summary", { textContent: "JSON" }), own("pre", JSON.stringify(json, null, 1)))];
  }

  get frame() {
    return Math.min(Math.max(Math.trunc(Number(state.frame)) || 0, 0), this.frameCount - 1);
  }

  // The shot that most of the light of a frame is of.
  shotOf(frame) {
    const starts = this.clip.json.shot_starts;
    return Math.max(0, starts.filter((start) => start <= frame).length - 1);
  }

  update() {
    if (!this.clip) return;
    const frame = this.frame;
    this.slider.value = frame;
    this.said.textContent = `${frame} of 0…${this.frameCount - 1}`;
    this.film.showFrame(frame);
    this.nowLine.style.left = `${(100 * (frame + 0.5)) / this.frameCount}%`;
    this.still.show(frame);
    this.drawFlow(frame);
    this.sharpen(frame);
    const place = wall.rows.indexOf(this.row);
    this.placeText.textContent = place < 0 ? "" : `${count(place + 1)} of ${count(wall.rows.length)}`;
  }

  // Over the strip's small frame the one in full size, once the scrubber rests.
  sharpen(frame) {
    this.sharp.hidden = true;
    clearTimeout(this.sharpening);
    const address = frameOf(this.row, frame);
    if (!address || this.timer) return;
    this.sharpening = setTimeout(() => {
      this.sharp.onload = () => { this.sharp.hidden = this.frame !== frame || Boolean(this.timer); };
      this.sharp.src = address;
    }, 150);
  }

  drawFlow(frame) {
    this.flowBox.checked = Boolean(state.flow);
    this.arrows.replaceChildren();
    this.flowText.textContent = "";
    if (!state.flow) return;
    const { json } = this.clip;
    const next = frame + 1;
    if (next >= this.frameCount) return void (this.flowText.textContent = "(the last frame has none)");
    if (this.shotOf(frame) !== this.shotOf(next)) return void (this.flowText.textContent = "(another shot begins: no motion between the two)");
    const lines = Math.max(3, Math.round((8 * json.height) / json.width));
    let longest = 0;
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < lines; j++) {
        const x = (i + 0.5) / 8, y = (j + 0.5) / lines;
        const [u, v] = moved(json.homographies[frame], json.homographies[next], x, y);
        longest = Math.max(longest, Math.hypot((u - x) * json.width, (v - y) * json.height));
        this.arrow(x * json.width, y * json.height, u * json.width, v * json.height);
      }
    }
    this.flowText.textContent = `(up to ${longest.toFixed(1)} pixels)`;
  }

  arrow(x, y, u, v) {
    const { json } = this.clip;
    const length = Math.hypot(u - x, v - y), head = Math.min(json.width / 45, 0.5 * length), turn = Math.atan2(v - y, u - x);
    const wing = (angle) => `${u - head * Math.cos(turn + angle)} ${v - head * Math.sin(turn + angle)}`;
    const d = length < 0.2 ? `M${x - 1} ${y}h2` : `M${x} ${y}L${u} ${v}M${wing(0.5)}L${u} ${v}L${wing(-0.5)}`;
    for (const name of ["flow-under", "flow"]) {
      const path = makeSvg("path", { class: name, d });
      path.dataset.flow = [u - x, v - y].join(" ");
      this.arrows.append(path);
    }
  }

  toggle() {
    if (this.timer) return this.pause();
    this.button.textContent = "Pause";
    this.timer = setInterval(() => setState({ frame: String((this.frame + 1) % this.frameCount) }, { step: false }), 1000 / KNOWN.fps);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    if (this.button) this.button.textContent = "Play";
  }

  step(by) {
    this.pause();
    setState({ frame: String(Math.min(Math.max(this.frame + by, 0), this.frameCount - 1)) }, { step: false });
  }
}

// Whether `line` is in the clipboard now; pages on disk may have to ask in the old way.
async function copied(line) {
  try {
    await navigator.clipboard.writeText(line);
    return true;
  } catch {
    const field = make("textarea", { value: line });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
