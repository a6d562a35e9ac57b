// The inputs that gave no clip, by status: what each status means, how many there are, and some of them.

function showRejected(element) {
  const statuses = Object.entries(KNOWN.statuses).filter(([name]) => !state.status || name === state.status);
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const buttons = Object.keys(KNOWN.statuses).map((name) =>
    make("button", {
      type: "button", textContent: `${name} ${count(KNOWN.counts[name])}`, "aria-pressed": String(name === state.status),
      onclick: () => setState({ status: name === state.status ? "" : name }),
    }));
  const total = Object.keys(KNOWN.statuses).reduce((sum, name) => sum + KNOWN.counts[name], 0);
  element.replaceChildren(
    make("h2", { textContent: total ? `${plural(total, "input")} gave no clip` : "Every input gave its clip" }),
    make("div", { className: "counts" }, ...buttons),
    ...statuses.map(([name, meaning]) => statusGroup(name, meaning, words)));
}

function statusGroup(name, meaning, words) {
  const rows = REJECTED.key.map((_, row) => row).filter((row) => REJECTED.status[row] === name);
  const found = rows.filter((row) => {
    const searched = [REJECTED.key[row], REJECTED.message[row], REJECTED.caption[row]].join("\n").toLowerCase();
    return words.every((word) => searched.includes(word));
  });
  const listed = found.length < KNOWN.counts[name] ? `, ${count(found.length)} of them here` : "";
  return make("section", {},
    make("h3", { textContent: `${name}: ${plural(KNOWN.counts[name], "input")}${listed}` }),
    make("p", { textContent: meaning, className: "soft" }),
    make("ul", { className: "rejects" }, ...found.map(rejectCard)));
}

function rejectCard(row) {
  const thumb = make("div", { className: "thumb" });
  const address = thumbnailOf(row);
  if (address) {
    const image = make("img", { alt: "", loading: "lazy", width: 84, height: 84 });
    image.addEventListener("error", () => image.remove());
    image.src = address;
    thumb.append(image);
  }
  return make("li", { className: "reject" }, thumb,
    make("div", {}, own("p", REJECTED.key[row] || "(no key)"), own("p", REJECTED.message[row]),
      own("p", REJECTED.caption[row], "soft")));
}
