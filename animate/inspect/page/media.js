// Where pictures are from: the file that the page is, or the server that it came from.

const HELD = takenJson("held");
const GRID = KNOWN.grid;

// An address of the server. It names the edition of the list, in which clips have their numbers, so that a
// browser never shows what it kept of another set that was served here.
const served = (...words) => `/${words.join("/")}?${KNOWN.edition}`;

const stripOf = (row) => (HELD ? HELD.strips[row] : served("strip", `${row}.jpg`));
// One frame to begin with, where that costs the server next to nothing.
const posterOf = (row) => (HELD || KNOWN.format === "virtual" ? "" : served("poster", `${row}.jpg`));
const frameOf = (row, frame) => (HELD ? "" : served("frame", row, `${frame}.jpg`));
const videoOf = (row) => (HELD || KNOWN.format !== "mp4" ? "" : served("video", `${row}.mp4`));
const thumbnailOf = (row) => (HELD ? HELD.thumbnails[row] || "" : KNOWN.originals ? served("rejected", `${row}.jpg`) : "");

function stillOf(row, clip, number) {
  if (!clip.still_from) return "";
  return HELD ? HELD.stills[clip.stills[number]] : served("still", row, `${number}.jpg`);
}

async function clipOf(row) {
  if (HELD) return HELD.clips[row];
  const answer = await fetch(served("clip", `${row}.json`));
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// The bytes of a picture, from the server or from the page itself.
async function blobOf(address, signal) {
  if (!address) throw new Error("the page has none");
  if (address.startsWith("data:")) {
    const bytes = Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
    return new Blob([bytes], { type: "image/jpeg" });
  }
  const answer = await fetch(address, { signal });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.blob();
}
