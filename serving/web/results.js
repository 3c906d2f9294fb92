// Answers as elements: a picture with its faces boxed, and what is said of each.

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export const counted = (number, what) => `${number || "no"} ${what}${number === 1 ? "" : "s"}`;
const percent = (share) => `${Math.round(100 * share)}%`;

// The elements of one file's answer. `picture` is the File that was sent.
export function result(answer, picture) {
  if (answer.error)
    return element("article", { className: "file" },
      element("p", { className: "problem", textContent: `${answer.file}: ${answer.error}` }));
  const cards = answer.faces.map((face, index) => card(face, index + 1));
  const said = answer.faces.length
    ? element("ol", {}, ...cards)
    : element("p", { className: "none" }, element("strong", { textContent: "No face was found. " }),
        "Faces are found when seen from the front and not too small. If the picture is one face that fills it, say so above.");
  return element("article", { className: "file", ariaLabel: answer.file }, photo(answer, picture, cards), said);
}

function photo(answer, picture, cards) {
  const how = answer.found_by === "detector" ? `${counted(answer.faces.length, "face")} found` : "taken as one face";
  const shown = element("img", { src: URL.createObjectURL(picture), alt: `${answer.file}: ${how}` });
  shown.onload = () => URL.revokeObjectURL(shown.src);
  const boxes = answer.found_by === "detector" ? answer.faces.map((face, index) => box(face, answer, index + 1)) : [];
  boxes.forEach((one, index) => {
    one.onclick = () => {
      document.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
      [one, cards[index]].forEach((chosen) => chosen.classList.add("chosen"));
      cards[index].focus({ preventScroll: true });
      cards[index].scrollIntoView({ block: "nearest", behavior: "smooth" });
    };
  });
  const frame = answer.frame ? `, ${answer.frame} frames` : "";
  const size = `${answer.width} × ${answer.height} pixels${frame}`;
  return element("figure", {}, element("div", { className: "photo" }, shown, ...boxes),
    element("figcaption", { textContent: `${answer.file}, ${size}, ${how}` }));
}

function box(face, { width, height }, number) {
  const [left, top, wide, high] = face.box;
  const made = element("button", { type: "button", className: "box", ariaLabel: `Face ${number}: ${words(face)}` },
    element("span", { textContent: number }));
  Object.assign(made.style, {
    left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
    width: `${(100 * wide) / width}%`, height: `${(100 * high) / height}%`,
  });
  return made;
}

const tasks = (face) => Object.entries(face).filter(([name]) => name !== "box");
const words = (face) => tasks(face).map(([name, said]) => `${name} ${said.words}`).join("; ");

function card(face, number) {
  return element("li", { className: "face", tabIndex: -1 },
    element("h3", {}, element("span", { className: "number", ariaHidden: "true", textContent: number }), `Face ${number}`),
    ...tasks(face).map(([name, said]) => element("section", { className: "task" },
      element("h4", { textContent: `${name}, as it appears` }), ...content(said))));
}

function content(said) {
  const numbers = [said.value, said.std, ...Object.values(said.probabilities ?? {})];
  if (numbers.includes(null)) return [line("The model gave no number.")]; // JSON has neither NaN nor infinity
  if (said.probabilities) return [line(said.label), bars(said.probabilities)];
  if (said.std === undefined) return [line(said.words)];
  const low = Math.max(0, said.value - said.std), high = said.value + said.std;
  const spread = `± ${said.std.toFixed(1)}, so about ${Math.round(low)} to ${Math.round(high)}`;
  return [line(`${Math.round(said.value)} ${said.unit}`, spread), ...scale(said.value, low, high)];
}

const line = (text, more = "") =>
  element("p", { className: "said" }, `${text} `, element("small", { textContent: more }));

function bars(probabilities) {
  return element("ul", { className: "bars" }, ...Object.entries(probabilities).map(([label, share]) => {
    const filled = element("i");
    filled.style.width = `${100 * share}%`;
    return element("li", {}, element("span", { textContent: label }),
      element("span", { className: "bar", ariaHidden: "true" }, filled),
      element("span", { className: "percent", textContent: percent(share) }));
  }));
}

function scale(value, low, high) {
  const end = Math.max(100, Math.ceil(high / 10) * 10);
  const [band, mark] = [element("i"), element("b")];
  Object.assign(band.style, { left: `${(100 * low) / end}%`, width: `${(100 * (high - low)) / end}%` });
  mark.style.left = `${(100 * value) / end}%`;
  return [element("div", { className: "scale", ariaHidden: "true" }, band, mark),
    element("p", { className: "ends", ariaHidden: "true" }, ...[0, end / 2, end].map((at) => element("span", { textContent: at })))];
}
