// What homographies say: nine numbers, row by row, that map a frame to its still, both in unit coordinates.

// Where homography `h` (nine numbers, row by row) takes the point (x, y) of the frame, both in 0..1.
function project(h, x, y) {
  const depth = h[6] * x + h[7] * y + h[8];
  return [(h[0] * x + h[1] * y + h[2]) / depth, (h[3] * x + h[4] * y + h[5]) / depth];
}

const cornersOf = (h) => [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => project(h, x, y));

// The inverse of a homography, by cofactors; its scale is of no matter.
function inverse([a, b, c, d, e, f, g, h, i]) {
  return [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d];
}

// Where what is seen at (x, y) of the frame with `from` is in the frame with `to`: exact, of the still's plane.
const moved = (from, to, x, y) => project(inverse(to), ...project(from, x, y));
