/** One running or finished generation on the page: its text, its figures and its chart. */

const SVG = "http://www.w3.org/2000/svg";
const STEPS_SHOWN = 96;
const CHART_HEIGHT = 32;
/** Below this a speed is noise. */
const SHORTEST_MS = 30;

function format(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

export class Pane {
  #root;
  #text;
  #pending = [];
  #frame = 0;
  #steps = [];
  #pieces = 0;
  #usage = null;
  #firstAt = 0;
  #lastAt = 0;
  #content = "";

  /** A pane in `parent`; `name` may be empty, `before` is the text that is continued. */
  constructor(parent, template, name, before) {
    parent.append(template.content.cloneNode(true));
    this.#root = parent.lastElementChild;
    const heading = this.#root.querySelector(".name");
    heading.textContent = name;
    heading.hidden = !name;
    this.#text = this.#root.querySelector(".text");
    for (const { role, text } of before) {
      this.#append("span", `before ${role}`, text);
    }
    this.#text.setAttribute("aria-busy", "true");
  }

  /** Adds a piece of text. A piece of origin "base" begins a step. */
  add({ text, origin }) {
    const now = performance.now();
    if (text) {
      this.#firstAt ||= now;
      this.#lastAt = now;
      this.#pieces++;
      this.#content += text;
      if (origin === "draft" && this.#steps.length > 0) {
        this.#steps[this.#steps.length - 1]++;
      } else {
        this.#steps.push(0);
      }
      this.#pending.push([origin === "draft" ? "draft" : "base", text]);
      this.#frame ||= requestAnimationFrame(() => this.#paint());
    }
  }

  /** The server's own counts, which know tokens that show no text. */
  count(usage) {
    this.#usage = usage;
  }

  /** Nothing more will come. */
  finish() {
    cancelAnimationFrame(this.#frame);
    this.#paint();
    this.#text.setAttribute("aria-busy", "false");
  }

  /** What was generated so far. */
  get content() {
    return this.#content;
  }

  get tokens() {
    return this.#usage?.completion_tokens ?? this.#pieces;
  }

  /** Tokens a second since the first one, NaN when there was too little to tell. */
  get tokensPerSecond() {
    const elapsed = this.#lastAt - this.#firstAt;
    return elapsed < SHORTEST_MS ? Number.NaN : ((this.tokens - 1) * 1000) / elapsed;
  }

  get tokensPerStep() {
    const counted = this.#usage?.speculation;
    if (counted?.steps > 0) {
      return 1 + counted.accepted_tokens / counted.steps;
    }
    return this.#pieces / this.#steps.length;
  }

  #append(name, style, text) {
    const element = document.createElement(name);
    element.className = style;
    element.textContent = text;
    this.#text.append(element);
  }

  #paint() {
    this.#frame = 0;
    const atEnd = this.#text.scrollHeight - this.#text.scrollTop - this.#text.clientHeight < 40;
    for (const [style, text] of this.#pending) {
      this.#append("span", style, text);
    }
    this.#pending = [];
    if (atEnd) {
      this.#text.scrollTop = this.#text.scrollHeight;
    }
    this.#show(".speed", format(this.tokensPerSecond, this.tokensPerSecond < 10 ? 1 : 0));
    this.#show(".per-step", format(this.tokensPerStep, 2));
    this.#show(".tokens", String(this.tokens));
    this.#draw();
  }

  #show(selector, text) {
    this.#root.querySelector(selector).textContent = text;
  }

  /** A bar for each of the last steps; a step without an accepted token is a thin line. */
  #draw() {
    const chart = this.#root.querySelector(".steps");
    const shown = this.#steps.slice(-STEPS_SHOWN);
    const most = Math.max(3, ...shown);
    chart.replaceChildren(
      ...shown.map((accepted, index) => {
        const height = Math.max(1, (accepted / most) * CHART_HEIGHT);
        const bar = document.createElementNS(SVG, "rect");
        bar.setAttribute("x", index + 0.1);
        bar.setAttribute("width", 0.8);
        bar.setAttribute("y", CHART_HEIGHT - height);
        bar.setAttribute("height", height);
        bar.setAttribute("class", accepted > 0 ? "some" : "none");
        return bar;
      }),
    );
    chart.setAttribute(
      "aria-label",
      `${this.#steps.length} steps, ${format(this.tokensPerStep - 1, 2)} accepted draft tokens a step`,
    );
  }
}
