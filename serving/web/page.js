// Takes pictures in, sends them, and shows what the server says.

import { camera } from "./camera.js";
import { counted, element, result } from "./results.js";

const AT_ONCE = 32; // pictures of a request; the server takes no more
const of = (id) => document.getElementById(id);
let token = "";
let pictures = [];
let asking = null;

async function request(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { ...options, headers });
  const answer = await response.json().catch(() => ({ error: `the server answers ${response.status}` }));
  if (response.ok) return answer;
  if (response.status === 401) {
    of("gate").hidden = false;
    of("token").focus();
    throw new Error(token ? "This is not the server's token." : "This server asks for a token.");
  }
  throw new Error(answer.error);
}

function say(status, problem = "") {
  of("status").textContent = status;
  of("problem").textContent = problem;
  of("problem").hidden = !problem;
}

async function ask(chosen) {
  if (!chosen.length) return;
  asking?.abort();
  const mine = (asking = new AbortController());
  pictures = [...chosen];
  of("results").replaceChildren();
  say(`Looking at ${pictures.map((picture) => picture.name).join(", ")} …`);
  const query = new URLSearchParams(new FormData(of("options")));
  const began = performance.now();
  const answers = [];
  const problems = new Set();
  for (let first = 0; first < pictures.length; first += AT_ONCE) {
    const some = pictures.slice(first, first + AT_ONCE);
    const form = new FormData();
    some.forEach((picture) => form.append("file", picture, picture.name));
    try {
      const answer = await request(`/predict?${query}`, { method: "POST", body: form, signal: mine.signal });
      answers.push(answer);
      of("results").append(...answer.files.map((file, index) => result(file, some[index])));
    } catch (error) {
      if (mine.signal.aborted) return;
      const lost = error instanceof TypeError; // so fetch says that there was no answer at all
      problems.add(lost ? "The server can't be reached." : error.message);
    }
  }
  const waited = performance.now() - began;
  say(answers.length ? summary(answers, waited) : "", [...problems].join(" "));
}

function summary(answers, waited) {
  const files = answers.flatMap((answer) => answer.files);
  const answer = { ...answers[0], milliseconds: answers.reduce((sum, { milliseconds }) => sum + milliseconds, 0) };
  const faces = files.flatMap((file) => file.faces ?? []).length;
  const found = files.some((file) => file.found_by === "detector") ? " found" : "";
  const what = `${counted(faces, "face")}${found}.`;
  const who = `Model ${answer.model}, version ${answer.version}`;
  const time = `${Math.round(answer.milliseconds)} ms, ${Math.round(waited)} ms with the way there and back`;
  return `${what[0].toUpperCase()}${what.slice(1)} ${who}, took ${time}.`;
}

async function start() {
  const { models, finds_faces: finds } = await request("/models");
  of("which").hidden = models.length < 2;
  of("models").replaceChildren(...models.map(({ model }) => element("option", { textContent: model })));
  of("model").textContent = models.map(({ model, version }) => `Model ${model}, version ${version}.`).join(" ");
  for (const choice of of("options").elements.faces) {
    choice.disabled = !finds;
    if (!finds) choice.checked = choice.value === "crop";
  }
  say(finds ? "" : "This server has no detector: every picture is taken as one face.");
}

const begin = () => start().catch((error) => say("", error.message));
const images = (transfer) => [...transfer.files].filter((file) => file.size);

of("file").onchange = (event) => {
  ask([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
};
of("options").onchange = () => ask(pictures);
of("gate").onsubmit = async (event) => {
  event.preventDefault();
  token = of("token").value.trim();
  of("gate").hidden = true;
  await begin();
  if (of("gate").hidden) ask(pictures);
};
document.addEventListener("paste", (event) => ask(images(event.clipboardData)));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  of("drop").classList.add("over");
});
document.addEventListener("dragleave", () => of("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  of("drop").classList.remove("over");
  ask(images(event.dataTransfer));
});
camera(ask, (problem) => say("", problem));
begin();
