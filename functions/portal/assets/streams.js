// Streams: what the service sends to the partner's own systems, how far each has come, and what can be done about it. Below the list
// is room for one form at a time.

import { cardTable, cell, h, isBusy, moveFocusTo, setBusy } from "./elements.js";
import { ask } from "./forms.js";
import { ApiError } from "./service.js";
import { secretNodes } from "./signing-secret.js";
import { StreamForm } from "./stream-form.js";
import { replayForm } from "./stream-replay.js";
import { roleGuide } from "./stream-role.js";
import { destinationNodes, settingsNodes, stateNodes, stateText } from "./stream-words.js";

/** @typedef {import("./context.js").Context} Context */
/** A stream as the API answers it. @typedef {Record<string, any>} Stream */
/** A stream's row. `test` is set from a test until its outcome. @typedef {{stream: Stream, row: HTMLElement, places: Record<string, any>, test: {state: Stream, until: number} | null}} Entry */

/** The most streams of a partner. */
const MAX_STREAMS = 10;
/** The times between two questions how streams are: at first, at most while somebody waits, and at most while a stream only fails. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;
const FAILING_PAUSE_MS = 20_000;
/** The time after which nobody waits for the outcome of a test. */
const TEST_MS = 60_000;

export class Streams {
  /** @type {any} */ element;
  #context;
  #denied;
  #parts;
  /** The listed streams, by id, oldest first. @type {Map<string, Entry>} */ #entries = new Map();
  /** The number of changes that the person has made, so that older answers are dropped. */
  #changes = 0;
  #isLoading = false;
  #isPolling = false;
  #pause = FIRST_PAUSE_MS;
  /** Ends the present pause. */
  #wake = () => {};
  /** Closes what is open below the list. */
  #close = () => {};

  /** @param {Context} context @param {{denied: () => void}} host `denied` is called if the person may not see the streams */
  constructor(context, { denied }) {
    this.#context = context;
    this.#denied = denied;
    const say = (/** @type {string} */ key) => context.words.say(key);
    const { table, body } = cardTable("streams", ["viewName", "destination", "status"].map(say), h("caption", { class: "unseen" }, say("view_streams")));
    const create = h("button", { type: "button", hidden: true, onclick: () => this.#edit(null, create) }, say("streamNew"));
    this.#parts = {
      status: h("p", { role: "status" }), trouble: h("div", { role: "alert" }), none: h("p", { hidden: true }, say("noneThere")), table, body, create,
      full: h("p", { class: "quiet", hidden: true }, say("streamsFull")), panel: h("div"),
    };
    const { status, trouble, none, full, panel } = this.#parts;
    table.hidden = true;
    this.element = h("section", { class: "records", "aria-labelledby": "streams-title" }, h("h2", { id: "streams-title" }, say("view_streams")),
      h("p", { class: "quiet" }, say("streamsIntro")), status, trouble, none, table, h("div", { class: "bar" }, create), full, panel);
  }

  /** Loads the streams, each time that the view is shown, because their state is of now. */
  async open() {
    const { service, words, showError } = this.#context;
    const { status, trouble, create } = this.#parts;
    if (this.#isLoading) return;
    this.#isLoading = true;
    if (create.hidden && this.#entries.size === 0) status.textContent = words.say("loading");
    try {
      await this.#load();
      trouble.replaceChildren();
    } catch (error) {
      if (service.signal.aborted) return;
      if (error instanceof ApiError && [403, 404].includes(error.status)) this.#denied();
      else showError(trouble, error, () => this.open());
    } finally {
      this.#isLoading = false;
      if (status.textContent === words.say("loading")) status.textContent = "";
    }
  }

  /** Removes a shown secret from the page. */
  hideSecret() { if (this.#parts.panel.querySelector(".secret code")) this.#close(); }

  // The list

  /** Asks for all streams, and shows them. */
  async #load() {
    const changes = this.#changes;
    const { streams } = await this.#context.service.read("streams");
    if (changes !== this.#changes) return;
    const ids = new Set(streams.map((/** @type {Stream} */ each) => each.id));
    for (const [id, { row }] of this.#entries) {
      if (ids.has(id)) continue;
      row.remove();
      this.#entries.delete(id);
    }
    for (const stream of streams) this.#show(stream);
    this.#adapt();
    this.#poll();
  }

  /** Adds a stream, or updates its row. The buttons stay, because one of them may have the focus. @param {Stream} stream */
  #show(stream) {
    const { words } = this.#context;
    const entry = this.#entries.get(stream.id) ?? this.#add(stream);
    const { places } = entry;
    entry.stream = stream;
    places.settings.replaceChildren(...settingsNodes(this.#context, stream));
    places.destination.replaceChildren(...destinationNodes(words, stream));
    places.state.replaceChildren(...stateNodes(this.#context, stream));
    const { status } = stream.state;
    const isActive = status === "active" || status === "failing";
    places.pause.dataset.key = isActive ? "streamPause" : "streamResume";
    // The name may have changed.
    for (const each of places.buttons) {
      each.textContent = words.say(each.dataset.key);
      each.setAttribute("aria-label", this.#labelOf(stream, each.dataset.key));
    }
    // The service replays one period at a time, and only while the stream delivers.
    places.replay.hidden = !isActive || Boolean(stream.replay && !stream.replay.finished_at);
    places.secret.hidden = stream.destination.kind !== "https";
    places.role.hidden = stream.destination.kind === "https";
    return entry;
  }

  /** What the button of an action is called, with the name of its stream. @param {Stream} stream @param {string} key */
  #labelOf({ name }, key) {
    const { words } = this.#context;
    return words.say("ofView", { action: words.say(key), name });
  }

  /** @param {Stream} stream @returns {Entry} */
  #add(stream) {
    const { words } = this.#context;
    const button = (/** @type {string} */ key, /** @type {() => void} */ onclick) => h("button", { type: "button", onclick, "data-key": key });
    const places = {
      settings: cell(words.say("viewName")), destination: cell(words.say("destination")), state: h("div"),
      change: button("streamChange", () => this.#edit(entry, places.change)), pause: button("streamPause", () => this.#pauseOrResume(entry)),
      test: button("streamTest", () => this.#test(entry)), replay: button("streamReplay", () => this.#replay(entry)),
      secret: button("secretTitle", () => this.#showSecret(entry)), role: button("streamRole", () => this.#showRole(entry, places.role)),
      remove: button("streamRemove", () => this.#askToRemove(entry)), bar: h("div", { class: "bar" }),
      said: h("p", { role: "status" }), trouble: h("div", { role: "alert" }),
    };
    const { settings, destination, state, change, pause, test, replay, secret, role, remove, bar, said, trouble } = places;
    const buttons = [test, replay, pause, change, secret, role, remove];
    bar.append(...buttons);
    const row = h("tr", { role: "row" }, settings, destination, cell(words.say("status"), state, bar, said, trouble));
    /** @type {Entry} */ const entry = { stream, row, places: { ...places, buttons }, test: null };
    this.#entries.set(stream.id, entry);
    this.#parts.body.append(row);
    return entry;
  }

  /** Shows what depends on the number of streams. */
  #adapt() {
    const { none, table, create, full } = this.#parts;
    const count = this.#entries.size;
    none.hidden = count > 0;
    table.hidden = count === 0;
    create.hidden = count >= MAX_STREAMS;
    full.hidden = count < MAX_STREAMS;
  }

  // Polling

  /** Asks how the streams are while somebody waits for something and sees the view. */
  async #poll() {
    const { service } = this.#context;
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#pause = FIRST_PAUSE_MS;
    // A stream that is paused or stopped goes on with its replay later.
    const isAwaited = () => [...this.#entries.values()].some(({ stream, test, places }) => test || (stream.replay && !stream.replay.finished_at && places.pause.dataset.key === "streamPause"));
    const isFailing = () => [...this.#entries.values()].some(({ stream }) => stream.state.status === "failing");
    while (isAwaited() || isFailing()) {
      const pause = this.#pause;
      await new Promise((done) => {
        this.#wake = () => done(null);
        setTimeout(done, pause);
      });
      if (service.signal.aborted) return;
      if (!this.element.checkVisibility()) continue;
      this.#pause = Math.min(this.#pause * 1.5, isAwaited() ? LONGEST_PAUSE_MS : FAILING_PAUSE_MS);
      const before = new Map([...this.#entries].map(([id, { stream }]) => [id, stream]));
      try {
        await this.#load();
      } catch { /* The next round asks again. */ }
      for (const [id, entry] of this.#entries) this.#announce(entry, before.get(id) ?? entry.stream);
    }
    this.#isPolling = false;
  }

  /** Asks soon, because something has begun. */
  #hurry() {
    this.#pause = FIRST_PAUSE_MS;
    this.#wake();
    this.#poll();
  }

  /** Says what has come of a test or a replay, and whether the state has changed. @param {Entry} entry @param {Stream} before */
  #announce(entry, before) {
    const { words, zone } = this.#context;
    const { stream, test, places: { said } } = entry;
    const { status, last_success_at: success, last_error: error } = stream.state;
    if (test) {
      const isAccepted = success !== test.state.last_success_at;
      const isRefused = error !== null && error.at !== test.state.last_error?.at;
      const isOver = isAccepted || isRefused || Date.now() > test.until;
      if (!isOver) return;
      entry.test = null;
      setBusy(entry.places.test, false);
      if (isAccepted) said.textContent = words.say("testAccepted", { time: words.clock(success, zone) });
      else if (isRefused) said.replaceChildren(words.say("testRefused"), " ", h("span", { lang: "en" }, error.detail));
      else said.textContent = words.say("testLate");
    } else if (before.replay && !before.replay.finished_at && stream.replay?.finished_at) {
      said.textContent = words.say("replayEnded", { activities: words.count("activities", stream.replay.activities) });
    } else if (status !== before.state.status) said.textContent = stateText(words, stream);
  }

  // What can be done with a stream

  /** Changes something. @param {"POST" | "PATCH" | "DELETE"} method @param {string} path @param {object} [body] */
  async #write(method, path, body) {
    const answer = await this.#context.service.write(method, `streams/${path}`, body);
    this.#changes += 1;
    return answer;
  }

  /** Does something, and shows an error in the row. @param {Entry} entry @param {any} button @param {() => Promise<void>} run */
  async #run({ places: { said, trouble } }, button, run) {
    const { service, showError } = this.#context;
    if (isBusy(button)) return;
    setBusy(button, true);
    said.replaceChildren();
    trouble.replaceChildren();
    try {
      await run();
    } catch (error) {
      setBusy(button, false);
      said.replaceChildren();
      if (!service.signal.aborted) showError(trouble, error, () => button.click());
    }
  }

  /** @param {Entry} entry */
  #pauseOrResume(entry) {
    const { pause, said } = entry.places;
    return this.#run(entry, pause, async () => {
      this.#show(await this.#write("PATCH", entry.stream.id, { paused: pause.dataset.key === "streamPause" }));
      setBusy(pause, false);
      said.textContent = stateText(this.#context.words, entry.stream);
      this.#poll();
    });
  }

  /** Sends a test. The button stays busy until its outcome is known. @param {Entry} entry */
  #test(entry) {
    return this.#run(entry, entry.places.test, async () => {
      entry.places.said.textContent = this.#context.words.say("testing");
      const { state } = await this.#write("POST", `${entry.stream.id}/test`);
      entry.test = { state, until: Date.now() + TEST_MS };
      this.#hurry();
    });
  }

  /** @param {Entry} entry */
  #askToRemove(entry) {
    const context = this.#context;
    const { words } = context;
    const { stream: { id, name }, places: { bar, said } } = entry;
    said.replaceChildren();
    ask(context, bar, [h("p", {}, words.say("streamRemoveAsk"))], words.say("streamRemoveNow"), async () => {
      await this.#write("DELETE", id);
      this.#close();
      entry.row.remove();
      this.#entries.delete(id);
      this.#adapt();
      this.#parts.status.textContent = words.say("streamRemoved", { name });
      moveFocusTo(this.#parts.status);
    });
  }

  // Below the list

  /** Opens something below the list, in place of what is open. Closing it returns the focus to the button. @param {string} title @param {any} opener @param {...Node} content */
  #openBelow(title, opener, ...content) {
    const { panel, status } = this.#parts;
    status.replaceChildren();
    const heading = h("h3", {}, title);
    panel.replaceChildren(h("section", { "aria-label": title }, heading, ...content));
    this.#close = () => {
      panel.replaceChildren();
      this.#close = () => {};
      if (opener.checkVisibility()) opener.focus();
    };
    moveFocusTo(heading);
  }

  /** Creates a button that closes what is open. @param {string} key */
  #closeButton(key) { return h("button", { type: "button", onclick: () => this.#close() }, this.#context.words.say(key)); }

  /** Opens the form of a stream. @param {Entry | null} entry null for a new one @param {any} opener */
  #edit(entry, opener) {
    // What an earlier change said would be taken for the outcome of this one.
    entry?.places.said.replaceChildren();
    const form = new StreamForm(this.#context, entry?.stream ?? null, (stream) => this.#saved(stream, entry === null));
    form.element.querySelector(".buttons").append(this.#closeButton("cancel"));
    this.#openBelow(entry ? this.#labelOf(entry.stream, "streamChange") : this.#context.words.say("streamNew"), opener, form.element);
  }

  /** @param {Stream} stream @param {boolean} isNew */
  #saved(stream, isNew) {
    this.#changes += 1;
    const entry = this.#show(stream);
    const { said, role } = entry.places;
    this.#close();
    this.#adapt();
    said.textContent = this.#context.words.say("saved");
    // The stream sends nothing before the role trusts the service.
    if (isNew && !role.hidden) this.#showRole(entry, role);
    else moveFocusTo(said);
    this.#poll();
  }

  /** @param {Entry} entry */
  #replay(entry) {
    const { words } = this.#context;
    const { replay, said } = entry.places;
    const form = replayForm(this.#context, entry.stream, (stream) => {
      this.#changes += 1;
      this.#show(stream);
      this.#close();
      said.textContent = words.say("replayBegun");
      moveFocusTo(said);
      this.#hurry();
    });
    form.querySelector(".buttons").append(this.#closeButton("cancel"));
    this.#openBelow(this.#labelOf(entry.stream, "streamReplay"), replay, form);
  }

  /** @param {Entry} entry */
  #showSecret({ stream, places: { secret } }) {
    this.#openBelow(this.#labelOf(stream, "secretTitle"), secret, ...secretNodes(this.#context, `streams/${stream.id}/secret`), this.#closeButton("close"));
  }

  /** @param {Entry} entry @param {any} opener */
  #showRole({ stream }, opener) {
    this.#openBelow(this.#labelOf(stream, "streamRole"), opener, ...roleGuide(this.#context.words, stream), this.#closeButton("close"));
  }
}
