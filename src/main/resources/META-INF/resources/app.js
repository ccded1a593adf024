/** The page: reads the form, runs generations, shows what comes and says in words what goes wrong. */

import { BrokenStream, generate, isReady, modelName, Refusal } from "./api.js";
import { Pane } from "./pane.js";

const KEY = "hydra-api-key";
const DEFAULT_RETRY_SECONDS = 2;
const LARGEST_SEED = 2 ** 31;

const $ = (id) => document.getElementById(id);
const form = $("form");
const prompt = $("prompt");

let running = null;
let conversation = [];

function mode() {
  return form.elements.mode.value;
}

function say(text) {
  $("status").textContent = text;
}

function showProblem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** Ends early with an AbortError. */
function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}

/** Waits for the person's key; null when there will be none. */
function askForKey() {
  const dialog = $("key-dialog");
  $("key").value = "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "ok" ? $("key").value : null);
  });
}

/** How much of the tree is drafted; nothing said leaves it to the server. */
function drafting(extent) {
  return extent === "" ? {} : { speculation: extent };
}

/** What the form asks for, as a request and as the text that comes before the answer. */
function readForm() {
  const settings = {
    temperature: Number($("temperature").value),
    top_p: Number($("top-p").value),
    // Always given, so that a comparison draws the same random numbers.
    seed: $("seed").value === "" ? Math.floor(Math.random() * LARGEST_SEED) : Number($("seed").value),
    ...drafting($("speculation").value),
  };
  const maxTokens = Number($("max-tokens").value);
  if (mode() === "chat") {
    const messages = [...conversation, { role: "user", content: prompt.value }];
    return {
      request: { path: "v1/chat/completions", body: { messages, max_completion_tokens: maxTokens, ...settings } },
      before: messages.map(({ role, content }) => ({ role, text: content })),
    };
  }
  return {
    request: { path: "v1/completions", body: { prompt: prompt.value, max_tokens: maxTokens, ...settings } },
    before: [{ role: "prompt", text: prompt.value }],
  };
}

/** Counts down aloud for the eye; the screen reader hears it once. */
async function waitToRetry(refusal, signal) {
  const reason = refusal.status === 429 ? "The server is busy" : "The model is still loading";
  for (let left = Math.ceil(refusal.retryAfter ?? DEFAULT_RETRY_SECONDS); left > 0; left--) {
    showProblem(`${reason}. Trying again in ${plural(left, "second")}.`);
    await sleep(1000, signal);
  }
  showProblem("");
}

/** Runs one generation in a pane of its own; comes back for more when the server asks for patience or a key. */
async function run({ request, before }, name, signal) {
  for (;;) {
    let pane = null;
    try {
      let finish = null;
      for await (const piece of generate(request, sessionStorage.getItem(KEY), signal)) {
        pane ??= new Pane($("panes"), $("pane"), name, before);
        if (piece.usage) {
          pane.count(piece.usage);
        } else {
          pane.add(piece);
          finish = piece.finish ?? finish;
        }
      }
      pane ??= new Pane($("panes"), $("pane"), name, before);
      pane.finish();
      return { pane, finish };
    } catch (error) {
      pane?.finish();
      if (!(error instanceof Refusal)) {
        error.pane = pane;
        throw error;
      }
      if (error.status === 503 || error.status === 429) {
        await waitToRetry(error, signal);
      } else if (error.status === 401) {
        sessionStorage.removeItem(KEY);
        const key = await askForKey();
        if (key === null) {
          throw error;
        }
        sessionStorage.setItem(KEY, key);
        watchServer();
      } else {
        throw error;
      }
    }
  }
}

function explain(error) {
  if (error.name === "AbortError") {
    say(`Stopped after ${plural(error.pane?.tokens ?? 0, "token")}.`);
    showProblem("");
    return;
  }
  say("Ended with an error.");
  if (error instanceof Refusal || error instanceof BrokenStream) {
    showProblem(error.message);
  } else if (error instanceof TypeError) {
    showProblem("The server cannot be reached, or the connection was lost.");
  } else {
    showProblem(`The page failed: ${error.message}`);
  }
}

function summary({ pane, finish }, seed) {
  const end = finish === "length" ? "reached the limit" : "came to an end";
  const speed = Number.isFinite(pane.tokensPerSecond) ? `, ${pane.tokensPerSecond.toFixed(0)} tokens/s` : "";
  return `Done: ${plural(pane.tokens, "token")}${speed}, ${end}. Seed ${seed}.`;
}

function compare(hydra, plain) {
  const times = hydra.pane.tokensPerSecond / plain.pane.tokensPerSecond;
  const same = hydra.pane.content === plain.pane.content ? "The text is the same." : "The texts differ.";
  const speed = Number.isFinite(times) ? `${times.toFixed(2)} times the speed of plain decoding.` : "Too short to compare.";
  $("verdict").textContent = `${speed} ${same}`;
  $("verdict").hidden = false;
}

/** Stop takes the place, and the focus, of Generate while something runs. */
function setRunning(controller) {
  running = controller;
  const [shown, gone] = controller ? [$("stop"), $("generate")] : [$("generate"), $("stop")];
  const takesFocus = document.activeElement === gone;
  shown.hidden = false;
  gone.hidden = true;
  if (takesFocus) {
    shown.focus();
  }
  $("compare").disabled = $("clear").disabled = controller !== null;
}

/** Runs `work` with the page in its running state; whatever ends it is shown. */
async function whileRunning(work) {
  if (running) {
    return;
  }
  showProblem("");
  $("verdict").hidden = true;
  $("panes").replaceChildren();
  const controller = new AbortController();
  setRunning(controller);
  say("Generating …");
  try {
    await work(controller.signal);
  } catch (error) {
    explain(error);
  } finally {
    setRunning(null);
  }
}

function remember(asked, pane) {
  if (asked.request.body.messages) {
    conversation = [...asked.request.body.messages, { role: "assistant", content: pane.content }];
    prompt.value = "";
    $("clear").hidden = false;
  }
}

function startGeneration() {
  const asked = readForm();
  return whileRunning(async (signal) => {
    const done = await run(asked, "", signal);
    say(summary(done, asked.request.body.seed));
    remember(asked, done.pane);
  });
}

function startComparison() {
  const asked = readForm();
  const { speculation = "", ...body } = asked.request.body;
  const variant = (extent) => ({
    ...asked,
    request: { ...asked.request, body: { ...body, ...drafting(extent) } },
  });
  return whileRunning(async (signal) => {
    const hydra = await run(variant(speculation === "none" ? "adaptive" : speculation), "With speculation", signal);
    say("Now without speculation …");
    const plain = await run(variant("none"), "Plain decoding", signal);
    say(summary(hydra, asked.request.body.seed));
    compare(hydra, plain);
    remember(asked, hydra.pane);
  });
}

function changeMode() {
  const chat = mode() === "chat";
  $("prompt-label").textContent = chat ? "Message" : "Text to continue";
  $("clear").hidden = !chat || conversation.length === 0;
}

function showServer(state, text) {
  if ($("server").textContent !== text) {
    $("server").dataset.state = state;
    $("server").textContent = text; // said aloud, so only when it changes
  }
}

/** Says what is served, once it is; a server that is away or loading is asked again. */
async function watchServer() {
  for (;;) {
    try {
      if (await isReady()) {
        showServer("ready", await modelName(sessionStorage.getItem(KEY)));
        return;
      }
      showServer("waiting", "the model is loading");
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) {
        showServer("ready", "asks for a key");
        return;
      }
      showServer("away", "the server cannot be reached");
    }
    await sleep(1000);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  startGeneration();
});
form.addEventListener("change", (event) => {
  if (event.target.name === "mode") {
    changeMode();
  }
});
form.addEventListener("input", (event) => {
  if (event.target.type === "range") {
    $(`${event.target.id}-value`).textContent = event.target.value;
  }
});
// A hidden field that is wrong could not be shown.
form.addEventListener("invalid", () => ($("settings").open = true), true);
$("compare").addEventListener("click", () => form.reportValidity() && startComparison());
$("stop").addEventListener("click", () => running?.abort());
$("clear").addEventListener("click", () => {
  conversation = [];
  $("panes").replaceChildren();
  say("A new conversation.");
  changeMode();
  prompt.focus();
});
$("examples").addEventListener("click", (event) => {
  if (event.target.dataset.prompt) {
    prompt.value = event.target.dataset.prompt;
    prompt.focus();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("key-dialog").open) {
    event.preventDefault();
    if (form.reportValidity()) {
      startGeneration();
    }
  } else if (event.key === "Escape" && !$("key-dialog").open) {
    running?.abort();
  }
});
// A browser brings back the settings of the last visit: show those.
for (const range of document.querySelectorAll("input[type=range]")) {
  $(`${range.id}-value`).textContent = range.value;
}
changeMode();
watchServer();
