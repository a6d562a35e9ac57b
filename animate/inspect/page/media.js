// Where pictures are from: the file that the page is, or the server that it came from.

const HELD = JSON.parse(document.getElementById("held").textContent);
const GRID = KNOWN.grid;

const stripOf = (row) => (HELD ? HELD.strips[row] : `/strip/${row}.jpg`);
// One frame to begin with, where that costs the server next to nothing.
const posterOf = (row) => (HELD || KNOWN.format === "virtual" ? "" : `/poster/${row}.jpg`);
const frameOf = (row, frame) => (HELD ? "" : `/frame/${row}/${frame}.jpg`);
const videoOf = (row) => (HELD || KNOWN.format !== "mp4" ? "" : `/video/${row}.mp4`);
const thumbnailOf = (row) => (HELD ? HELD.thumbnails[row] || "" : KNOWN.originals ? `/rejected/${row}.jpg` : "");

function stillOf(row, clip, number) {
  if (!clip.still_from) return "";
  return HELD ? HELD.stills[clip.stills[number]] : `/still/${row}/${number}.jpg`;
}

async function clipOf(row) {
  if (HELD) return HELD.clips[row];
  const answer = await fetch(`/clip/${row}.json`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}
