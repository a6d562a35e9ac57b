// A film: one frame of a clip's strip at a time, or the poster that stands for it.

class Film {
  // `row` is the clip's place in the list; nothing is loaded before it is asked for.
  constructor(row, label) {
    this.row = row;
    this.canvas = make("canvas", { width: GRID.width, height: GRID.height });
    this.element = make("div", { className: "film" }, this.canvas);
    if (label) Object.entries({ role: "img", "aria-label": label }).forEach(([name, value]) => this.element.setAttribute(name, value));
    else this.element.setAttribute("aria-hidden", "true");
    this.element.style.aspectRatio = `${KNOWN.width} / ${KNOWN.height}`;
    this.timer = 0;
    this.frame = null;
    this.asked = new Set();
    this.pictures = {};
    this.leaving = new AbortController();
  }

  // The frame in the middle, as cheaply as it is to be had.
  showPoster() {
    this.stop();
    const poster = posterOf(this.row);
    if (!poster) return this.showFrame(Math.floor(KNOWN.num_frames / 2));
    this.frame = null;
    this.load("poster", poster);
    this.draw();
  }

  // The frame `number` of the clip, or the one of the strip that is nearest to it.
  showFrame(number) {
    this.frame = number;
    this.load("strip", stripOf(this.row));
    this.draw();
  }

  // Loads a picture once. It is ours, pixels and all, so that its memory is free again when it is released:
  // browsers keep what image elements showed for as long as they like.
  async load(name, address) {
    if (this.asked.has(name)) return;
    this.asked.add(name);
    try {
      const picture = await createImageBitmap(await blobOf(address, this.leaving.signal));
      if (this.leaving.signal.aborted) return picture.close();
      this.pictures[name] = picture;
      this.draw();
    } catch (error) {
      if (!this.leaving.signal.aborted) this.element.classList.add("broken");
    }
  }

  // Draws what is wanted, as soon as it is there. Pixel by pixel: no neighbour in the strip shines in.
  draw() {
    const { poster, strip } = this.pictures, { width, height, columns, frames } = GRID;
    const canvas = this.canvas.getContext("2d");
    if (this.frame === null) {
      if (!poster) return;
      canvas.drawImage(poster, 0, 0, width, height);
      delete this.element.dataset.frame;
    } else if (strip) {
      const place = nearestInGrid(this.frame);
      const left = (place % columns) * width, top = Math.floor(place / columns) * height;
      canvas.drawImage(strip, left, top, width, height, 0, 0, width, height);
      this.element.dataset.frame = frames[place];
    }
  }

  // From the first frame on, around and around, at the clip's own pace.
  play() {
    this.stop();
    const started = performance.now();
    const tick = () => {
      const passed = Math.floor(((performance.now() - started) / 1000) * KNOWN.fps);
      this.showFrame(passed % KNOWN.num_frames);
    };
    tick();
    this.timer = setInterval(tick, Math.max(1000 / KNOWN.fps / 2, 16));
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
  }

  // Nothing of it is loaded, kept or timed any more.
  release() {
    this.stop();
    this.leaving.abort();
    for (const picture of Object.values(this.pictures)) picture.close();
    this.pictures = {};
    this.canvas.width = this.canvas.height = 0;
  }
}

// The place in the strip of the frame that is nearest to `number`: its frames lie evenly.
function nearestInGrid(number) {
  const last = GRID.frames.length - 1;
  return last && KNOWN.num_frames > 1 ? Math.round((number * last) / (KNOWN.num_frames - 1)) : 0;
}
