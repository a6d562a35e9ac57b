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
  }

  // The frame in the middle, as cheaply as it is to be had.
  showPoster() {
    this.stop();
    const poster = posterOf(this.row);
    if (!poster) return this.showFrame(Math.floor(KNOWN.num_frames / 2));
    this.frame = null;
    this.poster ??= this.load(poster);
    this.draw();
  }

  // The frame `number` of the clip, or the one of the strip that is nearest to it.
  showFrame(number) {
    this.frame = number;
    this.strip ??= this.load(stripOf(this.row));
    this.draw();
  }

  load(address) {
    const image = new Image();
    image.addEventListener("load", () => this.draw());
    image.src = address;
    return image;
  }

  // Draws what is wanted, as soon as it is there. Pixel by pixel: no neighbour in the strip shines in.
  draw() {
    const image = this.frame === null ? this.poster : this.strip;
    if (!image?.complete || !image.naturalWidth) return;
    const canvas = this.canvas.getContext("2d"), { width, height, columns, frames } = GRID;
    if (this.frame === null) {
      canvas.drawImage(image, 0, 0, width, height);
      delete this.element.dataset.frame;
      return;
    }
    const place = nearestInGrid(this.frame);
    const left = (place % columns) * width, top = Math.floor(place / columns) * height;
    canvas.drawImage(image, left, top, width, height, 0, 0, width, height);
    this.element.dataset.frame = frames[place];
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

  // Nothing of it is loaded, decoded or timed any more.
  release() {
    this.stop();
    for (const image of [this.poster, this.strip]) image?.removeAttribute("src");
    this.poster = this.strip = null;
    this.canvas.width = this.canvas.height = 0;
  }
}

// The place in the strip of the frame that is nearest to `number`: its frames lie evenly.
function nearestInGrid(number) {
  const last = GRID.frames.length - 1;
  return last && KNOWN.num_frames > 1 ? Math.round((number * last) / (KNOWN.num_frames - 1)) : 0;
}
