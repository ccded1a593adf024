/** The server's API as the page uses it. */

/** The server said no; `retryAfter` is in seconds, null when it did not say when to come back. */
export class Refusal extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The stream broke off, or told of an error, after its first byte. */
export class BrokenStream extends Error {}

function headers(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function refusalOf(response) {
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // Something between us and the server answered in its own words.
  }
  const after = Number.parseFloat(response.headers.get("Retry-After"));
  return new Refusal(response.status, message, Number.isFinite(after) ? after : null);
}

/** Whether the model is loaded. */
export async function isReady() {
  return (await fetch("q/health/ready", { cache: "no-store" })).ok;
}

/** The served model's name. */
export async function modelName(key) {
  const response = await fetch("v1/models", { headers: headers(key), cache: "no-store" });
  if (!response.ok) {
    throw await refusalOf(response);
  }
  return (await response.json()).data[0].id;
}

/** Yields the data of each server-sent event. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      // Lines that begin with a colon only keep the connection alive.
      if (line.startsWith("data:")) {
        yield line.slice(5).trim();
      }
    }
  }
}

/**
 * Generates. Yields `{text, origin, finish}` for each piece of text and `{usage}` at the end.
 *
 * @param request `{path, body}`
 * @throws Refusal before the first byte, BrokenStream after it
 */
export async function* generate(request, key, signal) {
  const response = await fetch(request.path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers(key) },
    body: JSON.stringify({ ...request.body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) {
    throw await refusalOf(response);
  }
  for await (const data of events(response.body)) {
    if (data === "[DONE]") {
      return;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) {
      throw new BrokenStream(chunk.error.message);
    }
    if (chunk.usage) {
      yield { usage: chunk.usage };
    }
    for (const choice of chunk.choices) {
      const text = choice.text ?? choice.delta?.content ?? "";
      if (text || choice.finish_reason) {
        yield { text, origin: choice.origin, finish: choice.finish_reason };
      }
    }
  }
  throw new BrokenStream("The connection to the server was cut off.");
}
