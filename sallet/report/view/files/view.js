"use strict";
// Everything that a row says is hostile text: it is only ever set as text, never as markup.
(() => {
  const $ = (id) => document.getElementById(id);
  const COUNT = 50;
  const state = { start: 0, found: 0, asked: 0 };
  const el = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const get = async (path) => {
    const reply = await fetch(path);
    if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
    return reply.json();
  };

  const query = () => {
    const found = new URLSearchParams();
    for (const control of document.querySelectorAll("#filter input, #filter select")) {
      const name = control.dataset.facet ?? control.id;
      if (control.type === "checkbox") { if (control.checked) found.set(name, "1"); }
      else if (control.value) found.set(name, control.value);
    }
    return found;
  };

  const load = async () => {
    const number = ++state.asked, began = performance.now();
    const wanted = query();
    history.replaceState(null, "", `#${wanted}`);
    wanted.set("start", state.start);
    wanted.set("count", COUNT);
    let page;
    try { page = await get(`/api/rows?${wanted}`); }
    catch (error) { $("count").textContent = `The server does not answer (${error.message}).`; return; }
    if (number !== state.asked) return;
    state.found = page.found;
    $("rows").replaceChildren(...page.rows.map(line));
    $("count").textContent = `${page.found.toLocaleString("en")} of ${page.total.toLocaleString("en")} rows`;
    const last = Math.min(page.start + COUNT, page.found);
    $("window").textContent = page.found ? `${page.start + 1}–${last}` : "none";
    $("back").disabled = page.start === 0;
    $("on").disabled = last >= page.found;
    document.documentElement.dataset.took = Math.round(performance.now() - began);
    document.documentElement.dataset.shown = number;
  };

  const line = (row) => {
    const made = el("tr", null, row.outcome);
    made.tabIndex = 0;
    made.dataset.number = row.number;
    const outcome = el("td", row.outcome);
    const second = row.second_outcome && row.second_outcome !== row.outcome ? `${row.second_judge}: ${row.second_outcome}` : "";
    if (second) outcome.append(el("small", second));
    if (row.refused_by) outcome.append(el("small", `refused by ${row.refused_by}`));
    const sample = el("td", row.sample);
    sample.append(el("small", [row.benchmark, row.category].filter(Boolean).join(" · ")));
    const attack = el("td", row.attack === "none" ? "–" : row.attack);
    attack.append(el("small", [row.eps === null ? "" : `${row.eps}/255`, row.access === "none" ? "" : row.access, row.model].filter(Boolean).join(" · ")));
    const texts = [row.question, row.answer ?? "no answer"].map((text) => {
      const cell = el("td");
      cell.append(el("div", text, "clip"));
      return cell;
    });
    made.append(outcome, sample, attack, el("td", row.defense), ...texts);
    return made;
  };

  const open = async (number) => {
    const row = await get(`/api/rows/${number}`);
    const inside = $("row-inside");
    inside.className = row.outcome;
    const title = el("h2", `${row.sample} · ${row.defense === "none" ? "no defence" : row.defense}`);
    title.id = "row-title";
    const verdict = el("p", null);
    verdict.append(el("strong", row.outcome, "verdict"), ` ${row.reason} (${row.key.judge})`);
    if (row.second_judge) verdict.append(el("br"), `second judge: ${row.second_outcome} ${row.second_reason} (${row.second_judge})`);
    inside.replaceChildren(title, verdict, await pictures(row));
    const said = (name, text) => { if (text) inside.append(el("strong", name), el("div", text, "said")); };
    said("Question", row.question);
    said("Answer", row.answer ?? "no answer");
    if (row.key.attack !== "none") said("Answer when unattacked", row.clean_answer);
    said("Attacker wants", row.wanted);
    said("Right", row.reference.join("\n"));
    said("What the judge thought", row.thoughts);
    (row.tries.length > 1 ? row.tries : []).forEach((one, i) => said(`Submission ${i + 1}${one.refused_by ? `, refused by ${one.refused_by}` : ""}`, one.text ?? one.error));
    const facts = el("dl");
    const hidden = ["question", "answer", "clean_answer", "wanted", "reference", "tries", "votes", "thoughts", "key", "source_tries", "source_votes"];
    const flat = { ...row.key, ...row.key.params, ...row };
    for (const [name, value] of Object.entries(flat)) {
      if (hidden.includes(name) || name === "params" || value === null || value === "" || (Array.isArray(value) && !value.length)) continue;
      facts.append(el("dt", name), el("dd", Array.isArray(value) ? value.join(" ") : String(value)));
    }
    inside.append(facts);
    $("row").showModal();
    $("row").scrollTop = 0;
  };

  const pictures = async (row) => {
    const made = el("div", null, "pictures");
    const shown = [];
    const add = (digest, caption) => new Promise((done) => {
      if (!digest) return done(null);
      const figure = el("figure"), image = el("img");
      image.alt = caption;
      image.onload = () => { figure.append(image, el("figcaption", caption)); made.append(figure); done(image); };
      image.onerror = () => done(null);
      image.src = `/artifacts/${digest}.png`;
    });
    for (let i = 0; i < row.clean_images.length; i++) {
      const clean = await add(row.clean_images[i], "clean");
      const changed = row.hostile_images[i] !== row.clean_images[i];
      const hostile = changed ? await add(row.hostile_images[i], "hostile") : null;
      if (row.purified?.[1] === i) await add(row.purified[0], `after ${row.key.defense}`);
      if (clean && hostile) shown.push([clean, hostile]);
    }
    for (const [clean, hostile] of shown) {
      const canvas = difference(clean, hostile);
      if (canvas) {
        const figure = el("figure");
        figure.append(canvas, el("figcaption", "difference, ten times enlarged around grey"));
        made.append(figure);
      }
    }
    return made;
  };

  const difference = (clean, hostile) => {
    const [w, h] = [clean.naturalWidth, clean.naturalHeight];
    if (w !== hostile.naturalWidth || h !== hostile.naturalHeight) return null;
    const canvas = el("canvas");
    Object.assign(canvas, { width: w, height: h });
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    const read = (image) => { paper.drawImage(image, 0, 0); return paper.getImageData(0, 0, w, h); };
    const before = read(clean), after = read(hostile);
    for (let i = 0; i < after.data.length; i++) {
      if (i % 4 !== 3) after.data[i] = 128 + 10 * (after.data[i] - before.data[i]);
    }
    paper.putImageData(after, 0, 0);
    return canvas;
  };

  const start = async () => {
    const about = await get("/api/about");
    document.title = `${about.name} · Sallet`;
    $("name").textContent = about.name;
    $("facts").textContent = `${about.total.toLocaleString("en")} rows${about.unread ? `, ${about.unread} lines that cannot be read` : ""} `;
    if (about.report) { const link = el("a", "the report"); link.href = "/report"; $("facts").append(link); }
    for (const [facet, values] of Object.entries(about.facets)) {
      const label = el("label", facet === "defense" ? "defence" : facet), select = el("select");
      select.dataset.facet = facet;
      select.append(new Option("any", ""), ...Object.entries(values).map(([value, n]) => new Option(`${value} (${n})`, value)));
      label.append(select);
      $("facets").append(label);
    }
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      const control = document.querySelector(`[data-facet="${CSS.escape(name)}"]`) ?? $(name);
      if (control?.matches("#filter input, #filter select")) control.type === "checkbox" ? (control.checked = value === "1") : (control.value = value);
    }
    await load();
    document.documentElement.dataset.ready = "yes";
  };

  const again = () => { state.start = 0; load(); };
  let pause;
  $("q").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(again, 60); });
  $("filter").addEventListener("change", (event) => { if (event.target.id !== "q") again(); });
  $("filter").addEventListener("reset", () => setTimeout(again));
  $("filter").addEventListener("submit", (event) => { event.preventDefault(); again(); });
  const turn = (by) => { const to = state.start + by * COUNT; if (to >= 0 && to < state.found) { state.start = to; load(); } };
  $("back").addEventListener("click", () => turn(-1));
  $("on").addEventListener("click", () => turn(1));
  $("rows").addEventListener("click", (event) => { const row = event.target.closest("tr"); if (row && !String(getSelection())) open(row.dataset.number); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("row").open) return;
    const row = event.target.closest?.("#rows tr");
    if (row && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); open(row.dataset.number); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (event.target.matches("select")) return;
      const to = row ? (event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling) : event.key === "ArrowDown" ? $("rows").firstElementChild : null;
      if (to) { event.preventDefault(); to.focus(); }
      return;
    }
    if (event.target.matches("input, select")) return;
    if (event.key === "/") { event.preventDefault(); $("q").focus(); }
    if (event.key === "n") turn(1);
    if (event.key === "p") turn(-1);
  });
  start();
})();
