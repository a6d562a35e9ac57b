// The still of a clip with the way of the camera over it: the first view green, the last red, in between
// mixtures, and the present frame's white. Where the still is not at hand, frames are laid back onto it.

const MIXED = [[46, 204, 94], [255, 59, 48]];
const mixture = (share) => `rgb(${MIXED[0].map((one, i) => Math.round(one + share * (MIXED[1][i] - one))).join(" ")})`;

const STILL_FROM = {
  corpus: "The still, from the corpus.",
  shard: "The still, from the shard.",
  "": "The still is not at hand: the frame with the widest view, and the present one, are laid back where they were filmed.",
};
const LEGEND = { "key-first": "first view", "key-last": "last view", "key-now": "this frame" };

class StillView {
  // `stillAt` gives, for a frame, the number of the still that it shows: a montage has several.
  constructor(row, clip, stillAt) {
    this.row = row;
    this.clip = clip;
    this.stillAt = clip.json.homographies.map((_, frame) => stillAt(frame));
    this.number = -1;
    this.laid = [];
    this.box = make("div", { className: "still" });
    this.path = makeSvg("svg", {
      viewBox: "0 0 1 1", preserveAspectRatio: "none", role: "img", "aria-label": "The way of the camera over the still",
    });
    const { original_width: width, original_height: height } = clip.json;
    proportioned(this.box, width, height);
    const legend = Object.entries(LEGEND).map(([className, textContent]) => make("span", { className, textContent }));
    this.size = make("span", {});
    this.element = make("figure", {}, make("figcaption", {}, STILL_FROM[clip.still_from], this.size, ...legend), this.box);
  }

  show(frame) {
    this.frame = frame;
    if (this.stillAt[frame] !== this.number) this.change(this.stillAt[frame]);
    const here = this.framesHere();
    const shapes = here.slice(1, -1).map((i) => this.view(i, "between"));
    shapes.forEach((shape, i) => { shape.style.stroke = mixture(here[i + 1] / (this.stillAt.length - 1)); });
    const now = this.view(frame, "now");
    now.id = "now-view";
    shapes.push(this.view(here[0], "first"), this.view(here.at(-1), "last"), this.view(frame, "now-under"), now);
    this.path.replaceChildren(...shapes);
    this.lay();
  }

  framesHere() {
    return this.stillAt.map((_, frame) => frame).filter((frame) => this.stillAt[frame] === this.number);
  }

  view(frame, className) {
    const points = cornersOf(this.clip.json.homographies[frame]).map(([x, y]) => `${x},${y}`).join(" ");
    return makeSvg("polygon", { class: `view ${className}`, points });
  }

  change(number) {
    this.release();
    this.number = number;
    const { original_width: width, original_height: height } = this.clip.json;
    this.size.textContent = number ? ` Number ${number + 1} of the montage.` : ` ${width} × ${height} pixels.`;
    const address = stillOf(this.row, this.clip, number);
    if (address) {
      const image = make("img", { alt: "The still", src: address });
      // Of a montage, the sizes of the stills after the first are not recorded.
      image.addEventListener("load", () => proportioned(this.box, image.naturalWidth, image.naturalHeight));
      this.box.replaceChildren(image, this.path);
      return;
    }
    const areas = this.clip.json.view_areas;
    const widest = this.framesHere().reduce((best, i) => (areas[i] > areas[best] ? i : best));
    this.laid = [this.layer(widest, "under"), this.layer(null, "")];
    this.box.replaceChildren(...this.laid.map(({ film }) => film.element), this.path);
  }

  // A frame to be laid back: always the same one, or for null the present one.
  layer(frame, className) {
    const film = new Film(this.row, "");
    film.element.className = `film laid ${className}`;
    film.element.style.width = `${this.clip.json.width}px`;
    film.element.style.height = `${this.clip.json.height}px`;
    return { film, frame };
  }

  // Each laid frame lies where its homography says: from pixels of the frame to those of the box.
  lay() {
    const { json } = this.clip, { clientWidth, clientHeight } = this.box;
    const rows = [clientWidth, clientHeight, 1], columns = [1 / json.width, 1 / json.height, 1];
    for (const { film, frame } of this.laid) {
      const number = GRID.frames[nearestInGrid(frame ?? this.frame)];
      const m = json.homographies[number].map((value, i) => value * rows[Math.floor(i / 3)] * columns[i % 3]);
      const placed = [m[0], m[3], 0, m[6], m[1], m[4], 0, m[7], 0, 0, 1, 0, m[2], m[5], 0, m[8]];
      film.element.style.transform = `matrix3d(${placed.join(",")})`;
      film.showFrame(number);
    }
  }

  release() {
    for (const { film } of this.laid) film.release();
    this.laid = [];
  }
}
