/* The page: fields and sliders <-> state <-> address; every change redraws from the engine above. */
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("setting");
  const { BAND, TARGET } = SSEM;
  const WHOLE = ["classes", "instances", "batch", "perBatch", "views", "dim"];
  const REAL = ["alpha", "tau"];
  const CHOICES = ["loss", "sampler"];
  const BLANK = { instances: Infinity, dim: Infinity, perBatch: null };
  const HINTS = {
    supcon: "The anchor is left out of its own softmax denominator, as in SupCon and SimCLR code.",
    ssem: "The anchor stays in its own softmax denominator, as in the SSEM paper.",
    l_spread: "Each positive against the negatives alone, plus class-conditional InfoNCE.",
    random: "Uniform draws: anchors meet a random number of their class.",
    balanced: "Equally many instances of every class, or of the classes drawn.",
    full: "The whole data set is one batch.",
  };

  // -- state -----------------------------------------------------------------------------------------------------

  const numeric = (name, text) => (text.trim() === "" ? (name in BLANK ? BLANK[name] : NaN) : Number(text));

  function read() {
    const state = {};
    for (const name of CHOICES) state[name] = form.elements[name].value;
    for (const name of [...WHOLE, ...REAL]) state[name] = numeric(name, $(name).value);
    if (state.sampler !== "balanced") state.perBatch = null;
    if (state.sampler === "full") state.batch = null;
    return state;
  }

  function show(values) {
    for (const [name, text] of new URLSearchParams(values)) {
      if (CHOICES.includes(name)) {
        const option = form.querySelector(`[name=${name}][value="${CSS.escape(text)}"]`);
        if (option) option.checked = true;
      } else if (WHOLE.includes(name) || REAL.includes(name)) $(name).value = text;
    }
  }

  function hash() {
    const values = new URLSearchParams();
    for (const name of CHOICES) values.set(name, form.elements[name].value);
    for (const name of [...WHOLE, ...REAL]) values.set(name, $(name).value);
    return "#" + values;
  }

  // -- sliders: linear or logarithmic between their limits; the right end of an optional field leaves it blank --------

  const tidy = (value, whole) => (whole ? Math.round(value) : Number(value.toPrecision(3)));

  const sliders = [...document.querySelectorAll("[data-of]")].map((slider) => {
    const name = slider.dataset.of, whole = WHOLE.includes(name);
    const scale = "log" in slider.dataset ? [Math.log, Math.exp] : [Number, Number];
    const limits = [slider.min, slider.max].map(Number);
    const steps = whole && scale[0] === Number ? limits[1] - limits[0] : 1000;
    Object.assign(slider, { min: 0, max: steps, step: 1 });
    const ends = () => [limits[0], name === "perBatch" ? Math.max(2, Number($("classes").value)) : limits[1]].map(scale[0]);

    function push() {
      const [low, high] = ends(), share = slider.value / steps;
      $(name).value = name in BLANK && share === 1 ? "" : tidy(scale[1](low + (high - low) * share), whole);
    }
    function follow() {
      const [low, high] = ends(), text = $(name).value;
      const share = text === "" ? 1 : (scale[0](Number(text)) - low) / (high - low);
      slider.value = Math.round(Math.min(1, Math.max(0, share || 0)) * steps);
      slider.setAttribute("aria-valuetext", text || $(name).placeholder);
    }
    return { slider, push, follow };
  });

  /** A balanced batch is a multiple of its classes: where no one is typing, keep it so. */
  function snap() {
    const { sampler, batch, classes, perBatch } = read(), drawn = perBatch ?? classes;
    if (sampler === "balanced" && batch % drawn) $("batch").value = Math.max(2, Math.round(batch / drawn)) * drawn;
  }

  // -- numbers for people: a bound is rounded to its safe side ----------------------------------------------------

  function digits(x, way = Math.round) {
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "none";
    if (x === 0) return "0";
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - 3);
    const text = (way(x / unit) * unit).toPrecision(4);
    return Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6 ? Number(text).toExponential(3).replace("e", " × 10^") : String(Number(text)).replace("-", "−");
  }

  /** The answer of a theorem, or null where none speaks. */
  function covered(s, question) {
    try {
      return SSEM.notCovered(s) ? null : question(s);
    } catch (error) {
      if (error instanceof SSEM.NotCovered) return null;
      throw error;
    }
  }

  // -- the answer --------------------------------------------------------------------------------------------------

  // For each basis of a prediction: after a variance in a sentence, under a number, under the diagram's title.
  const BASIS = {
    exact: ["at the optimum", "exact", "Within-class variance at the optimum: exact."],
    estimate: ["expected in this dimension", "estimate for this dimension", "Within-class variance expected in this dimension: an estimate, its collapse boundary exact."],
    optimum: ["at most", "upper bound: no estimate for this loss", "Within-class variance at the optimum: exact with room for every instance, an upper bound here."],
  };

  function verdict(s) {
    const silent = SSEM.notCovered(s);
    if (silent) return ["none", "Not covered", silent];
    const threshold = SSEM.collapseThreshold(s);
    if (threshold >= 1) return ["collapse", "Collapse is the optimum at every weight", `The threshold is ${digits(threshold, Math.ceil)}: lower the temperature, or let more instances of a class meet in a batch.`];
    if (s.alpha <= threshold) return ["collapse", "Collapse is the optimum", `At τ = ${digits(s.tau)} every weight α up to ${digits(threshold, Math.ceil)} makes each class one point.`];
    const best = SSEM.predictedVariance(s), safe = SSEM.safeWeights(s), what = `Within-class variance ${digits(best)} ${BASIS[SSEM.basis(s)][0]}`;
    const inside = safe && safe[0] <= s.alpha && s.alpha <= safe[1]; // the ends of the safe range are safe
    if (!inside && best < BAND[0]) return ["thin", "Close to collapse", `${what}: below the safe band of 0.05 to 0.5.`];
    if (!inside && best > BAND[1]) return ["wide", "Classes fade", `${what}: above the safe band of 0.05 to 0.5, class structure is being lost.`];
    return ["safe", "Safe", `${what}: inside the safe band of 0.05 to 0.5.`];
  }

  let spoken;
  function answer(kind, title, text) {
    const box = $("verdict");
    box.dataset.kind = kind;
    box.querySelector("strong").textContent = title;
    box.querySelector("p").textContent = text;
    clearTimeout(spoken);
    spoken = setTimeout(() => ($("live").textContent = `${title}. ${text}`), 500);
  }

  function entries(list, rows) {
    list.replaceChildren(...rows.map(([term, value, note]) => {
      const [row, dt, dd, strong, span] = ["div", "dt", "dd", "strong", "span"].map((tag) => document.createElement(tag));
      [dt.textContent, strong.textContent, span.textContent] = [term, value, note];
      dd.append(strong, span);
      row.append(dt, dd);
      return row;
    }));
  }

  const NOT = "not covered";
  const value = (x, way) => (x === null ? NOT : digits(x, way));

  function numbers(s) {
    const threshold = covered(s, SSEM.collapseThreshold);
    const critical = covered(s, SSEM.criticalTemperature);
    const optimum = covered(s, SSEM.optimalVariance);
    const predicted = covered(s, SSEM.predictedVariance), note = BASIS[SSEM.basis(s)][1];
    const safe = covered(s, SSEM.safeWeights), recommended = covered(s, SSEM.recommendedWeight), silent = SSEM.notCovered(s);
    const plain = covered(s, SSEM.plainWeight);
    entries($("numbers"), [
      ["Collapse threshold of α", value(threshold, Math.ceil), threshold >= 1 ? "no weight prevents collapse" : s.dim === s.classes - 1 ? "collapse is optimal up to here, a local minimum further up" : "collapse is optimal up to here"],
      ["Critical temperature", value(critical, Math.floor), critical === 0 ? "collapse at every temperature" : critical === Infinity ? "no temperature collapses" : `collapse from here on, at α = ${digits(s.alpha)}`],
      ["Recommended α", silent ? NOT : recommended === null ? "none" : digits(recommended), recommended === null ? `no weight is safe at τ = ${digits(s.tau)}` : `for variance ${TARGET} at τ = ${digits(s.tau)}`],
      ["Safe range of α", silent ? NOT : safe === null ? "none" : `${digits(safe[0], Math.ceil)} to ${digits(safe[1], Math.floor)}`, `variance ${BAND.join(" to ")}`],
      ["Variance at the optimum", value(optimum), "exact with room for every instance"],
      ["Variance in this dimension", value(predicted), note],
      ["Plain SupCon as a weight α", (plain !== null && s.sampler === "random" ? "≈ " : "") + value(plain), plain === null ? "" : "its optimum is collapse at every temperature"],
      ["Similarity within / between classes", optimum === null ? NOT : SSEM.similarities(s, optimum).map((x) => digits(x)).join(" / "), "at the optimum"],
    ]);
    const losses = covered(s, SSEM.referenceLosses);
    entries($("losses"), [
      ["All embeddings equal", losses ? digits(losses.totalCollapse) : NOT, "total collapse"],
      ["Each class one point", losses ? digits(losses.classCollapse) : NOT, "class collapse"],
      ["Optimum at this α", losses ? digits(losses.optimum) : NOT, "the least the loss can be"],
    ]);
    $("take").disabled = recommended === null;
    return recommended;
  }

  const OPTIONS = { classes: "classes", instances: "instances-per-class", batch: "batch-size", perBatch: "classes-per-batch", views: "views", dim: "dim", alpha: "alpha", tau: "temperature" };
  function command(s) {
    const parts = [`--loss ${s.loss}`, `--sampler ${s.sampler}`];
    for (const [name, option] of Object.entries(OPTIONS))
      if (s[name] !== null && s[name] !== Infinity && !(name === "batch" && s.sampler === "full")) parts.push(`--${option} ${s[name]}`);
    $("command").replaceChildren(...["ssem-advisor recommend", ...parts].flatMap((part) => {
      const span = Object.assign(document.createElement("span"), { textContent: part });
      return [span, " "];
    }));
  }

  // -- phase diagram: nested contours, each the closed form alpha(v) at every temperature ---------------------------

  const CIVIDIS = ["#00224e", "#083370", "#35456c", "#4f576c", "#666970", "#7d7c78", "#948e77", "#aea371", "#c8b866", "#e5cf52", "#fee838"];
  const colour = (v) => {
    const at = Math.min(v ** 0.6, 0.9999) * 10, // the power gives the safe band its share of the colours
      i = Math.floor(at), f = at - i;
    const part = (hex, j) => parseInt(hex.slice(1 + 2 * j, 3 + 2 * j), 16);
    return `rgb(${[0, 1, 2].map((j) => Math.round(part(CIVIDIS[i], j) * (1 - f) + part(CIVIDIS[i + 1], j) * f))})`;
  };
  const LEVELS = [0, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1];
  const TAUS = [0.01, 10];
  const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
  const MARGIN = { left: 54, right: 10, top: 8, bottom: 40 };
  const logShare = (tau) => Math.log(tau / TAUS[0]) / Math.log(TAUS[1] / TAUS[0]);
  const tauAt = (share) => TAUS[0] * (TAUS[1] / TAUS[0]) ** share;
  $("ramp").style.background = `linear-gradient(90deg, ${LEVELS.map((v) => `${colour(v)} ${100 * v}%`).join()})`;

  let frame; // what the pointer needs to know about the last drawing
  function draw(s, recommended) {
    const host = $("diagram"), silent = SSEM.notCovered(s);
    $("basis").textContent = BASIS[SSEM.basis(s)][2];
    $("plain-key").hidden = silent || covered(s, SSEM.plainWeight) === null;
    if (silent) {
      frame = null;
      const box = document.createElement("div");
      box.className = "empty";
      box.textContent = "Not covered";
      host.replaceChildren(box);
      return $("table").replaceChildren();
    }
    const width = Math.max(280, host.clientWidth), height = Math.round(Math.min(460, Math.max(290, width * 0.56)));
    const w = width - MARGIN.left - MARGIN.right, h = height - MARGIN.top - MARGIN.bottom;
    const X = (tau) => MARGIN.left + w * logShare(tau);
    const Y = (alpha) => MARGIN.top + h * (1 - Math.min(1.1, Math.max(-0.1, alpha)));
    frame = { w, h, height };
    const columns = Math.round(Math.min(140, w / 4));
    const few = SSEM.merged(SSEM.batches(s));
    const curves = LEVELS.map(() => []);
    for (let i = 0; i <= columns; i++) {
      const at = { ...s, tau: tauAt(i / columns) };
      LEVELS.forEach((v, j) => curves[j].push([X(at.tau), Y(SSEM.weightFor(at, v, few))]));
    }
    const line = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const above = (points) => `${line(points)}V-99H${MARGIN.left}Z`;
    const regions = curves.slice(0, -1).map((points, j) => `<path d="${above(points)}" fill="${colour((LEVELS[j] + LEVELS[j + 1]) / 2)}"/>`);
    const [edge, low, high] = [0, ...BAND].map((v) => curves[LEVELS.indexOf(v)]);
    const label = (points, text) => {
      const lowest = points.reduce((best, p) => (p[1] > best[1] ? p : best));
      const x = Math.min(MARGIN.left + w - 24, Math.max(MARGIN.left + 24, lowest[0]));
      return lowest[1] < MARGIN.top + 16 ? "" : `<text class="note" x="${x}" y="${lowest[1] - 7}" text-anchor="middle">${text}</text>`;
    };
    const roomiest = edge[Math.round(columns * 0.86)];
    const collapse = MARGIN.top + h - roomiest[1] > 40 ? `<text class="note" x="${roomiest[0]}" y="${(roomiest[1] + MARGIN.top + h) / 2 + 4}" text-anchor="middle">collapse</text>` : "";
    const plain = covered(s, SSEM.plainWeight);
    const inside = s.tau >= TAUS[0] && s.tau <= TAUS[1];
    const ticks = TICKS.filter((t) => width > 480 || [0.01, 0.1, 1, 10].includes(t));
    const description = `Phase diagram. At temperature ${digits(s.tau)} collapse is optimal up to weight ${digits(SSEM.collapseThreshold(s), Math.ceil)}; the table below holds the numbers.`;
    host.innerHTML = `<svg viewBox="0 0 ${width} ${height}" height="${height}" role="img" aria-label="${description}">
      <defs>
        <clipPath id="plot"><rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" rx="3"/></clipPath>
        <pattern id="lines" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V8" class="hatch"/></pattern>
      </defs>
      <g clip-path="url(#plot)">
        <rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" class="collapse"/>
        <rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" fill="url(#lines)"/>
        ${regions.join("")}
        ${ticks.map((t) => `<path d="M${X(t)} 0V${height}" class="grid"/>`).join("")}
        <path d="${line(low)}" class="casing"/><path d="${line(low)}" class="band"/>
        <path d="${line(high)}" class="casing"/><path d="${line(high)}" class="band"/>
        <path d="${line(edge)}" class="threshold"/>
        ${plain === null ? "" : `<path d="M${MARGIN.left} ${Y(plain)}h${w}" class="plain"/>`}
        ${inside ? `<path d="M${X(s.tau)} 0V${height}M0 ${Y(s.alpha)}H${width}" class="cross"/>` : ""}
        ${label(low, BAND[0])}${label(high, BAND[1])}${collapse}
      </g>
      <rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" rx="3" class="frame"/>
      ${inside && recommended !== null ? `<path d="M0-7l7 7-7 7-7-7z" transform="translate(${X(s.tau)} ${Y(recommended)})" class="recommended"/>` : ""}
      ${inside ? `<circle cx="${X(s.tau)}" cy="${Y(s.alpha)}" r="7" class="here"/>` : ""}
      ${ticks.map((t) => `<text x="${X(t)}" y="${height - 24}" text-anchor="middle">${t}</text>`).join("")}
      ${[0, 0.25, 0.5, 0.75, 1].map((a) => `<text x="${MARGIN.left - 7}" y="${Y(a) + 4}" text-anchor="end">${a}</text>`).join("")}
      <text class="axis" x="${MARGIN.left + w / 2}" y="${height - 5}" text-anchor="middle">temperature τ, logarithmic</text>
      <text class="axis" transform="translate(13 ${MARGIN.top + h / 2}) rotate(-90)" text-anchor="middle">weight α</text>
    </svg>`;
    tabulate(s);
  }

  function tabulate(s) {
    if (!$("table").closest("details").open) return;
    const cell = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
    const weight = (a) => (a <= 1 ? digits(a) : "none");
    $("table").replaceChildren(...TICKS.map((tau) => {
      const at = { ...s, tau }, row = document.createElement("tr"), head = cell("th", String(tau));
      head.scope = "row";
      const threshold = SSEM.collapseThreshold(at);
      row.append(head, cell("td", threshold < 1 ? digits(threshold, Math.ceil) : "1 (always)"));
      for (const v of [BAND[0], TARGET, BAND[1]]) row.append(cell("td", weight(SSEM.weightFor(at, v))));
      row.append(cell("td", digits(SSEM.predictedVariance(at))));
      return row;
    }));
  }

  function pick(event) {
    if (!frame || !(event.buttons & 1)) return;
    const box = $("diagram").firstElementChild.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / frame.w, up = 1 - (event.clientY - box.top - MARGIN.top) / frame.h;
    const clamp = (x) => Math.min(1, Math.max(0, x));
    $("tau").value = tidy(tauAt(clamp(share)));
    $("alpha").value = Number(clamp(up).toFixed(3));
    update();
  }

  // -- wiring --------------------------------------------------------------------------------------------------------

  let scheduled, recommended = null;
  function update() {
    for (const { follow } of sliders) follow();
    cancelAnimationFrame(scheduled);
    scheduled = requestAnimationFrame(render);
  }

  function render() {
    const s = read();
    for (const part of document.querySelectorAll("[data-only]")) part.hidden = !part.dataset.only.includes(s.sampler);
    for (const name of CHOICES) $(`${name}-hint`).textContent = HINTS[s[name]];
    try {
      SSEM.checked(s);
    } catch (error) {
      if (!(error instanceof SSEM.SettingError)) throw error;
      for (const name of [...WHOLE, ...REAL]) $(name).setAttribute("aria-invalid", name === error.field);
      return answer("invalid", "Not a setting yet", `${error.message}.`);
    }
    for (const name of [...WHOLE, ...REAL]) $(name).removeAttribute("aria-invalid");
    history.replaceState(null, "", hash());
    answer(...verdict(s));
    recommended = numbers(s);
    command(s);
    draw(s, recommended);
  }

  for (const { slider, push } of sliders) slider.addEventListener("input", () => (push(), snap(), update()));
  for (const input of form.elements)
    if (!("of" in input.dataset)) input.addEventListener("input", () => (input.type === "radio" && snap(), update()));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => (show(location.hash.slice(1)), update()));
  $("diagram").addEventListener("pointerdown", (event) => ($("diagram").setPointerCapture(event.pointerId), pick(event)));
  $("diagram").addEventListener("pointermove", pick);
  $("table").closest("details").addEventListener("toggle", update);
  $("take").addEventListener("click", () => (($("alpha").value = Number(recommended.toPrecision(4))), update()));
  $("copy").addEventListener("click", async () => {
    const said = await navigator.clipboard.writeText(location.href).then(() => "Link copied", () => "Copy it from the address bar");
    $("copy").textContent = $("live").textContent = said;
    setTimeout(() => ($("copy").textContent = "Copy link"), 2500);
  });

  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  function theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").textContent = dark ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
  }
  systemDark.addEventListener("change", () => theme(systemDark.matches));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme !== "dark"));
  theme(systemDark.matches);

  show(form.dataset.start);
  show(location.hash.slice(1));
  update();
  new ResizeObserver(update).observe($("diagram"));
})();
