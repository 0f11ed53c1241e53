/* The page: fields and sliders <-> state <-> address; every change redraws from the engine above. */
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("setting");
  const WHOLE = ["classes", "instances", "batch", "perBatch", "views", "dim"];
  const REAL = ["alpha", "tau"];
  const CHOICES = ["loss", "sampler", "network"];
  // The page that embeds this one, where a script may look into it: its address and its colours are shared.
  const host = (() => {
    try {
      return parent !== window && parent.document.body.dataset.mdColorScheme ? parent : null;
    } catch {
      return null;
    }
  })();
  const remember = (where) => (host ?? window).history.replaceState(null, "", where);
  const BLANK = { instances: Infinity, dim: Infinity, perBatch: null };
  const HINTS = {
    supcon: "The anchor is left out of its own softmax denominator, as in SupCon and SimCLR code.",
    ssem: "The anchor stays in its own softmax denominator, as in the SSEM paper.",
    l_spread: "Each positive is compared with the negatives alone; a second term separates instances.",
    random: "Random draws: an anchor meets a random number of its class.",
    balanced: "Equally many instances of every class, or of the classes drawn.",
    full: "The whole data set is one batch.",
    typical: "As trained on real images: half of the spread is view noise, half of the directions are used.",
    perfect: "The minimiser of the loss, which recognises every instance. Easy data comes close.",
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

  function address() {
    return hash() + (pinned ? "&" + new URLSearchParams({ with: pinned.values }) : "");
  }

  function hash() {
    const values = new URLSearchParams();
    for (const name of CHOICES) values.set(name, form.elements[name].value);
    for (const name of [...WHOLE, ...REAL]) values.set(name, $(name).value);
    return "#" + values;
  }

  // -- comparison: a second setting, kept in the address as `with` -------------------------------------------------

  let pinned = null;

  /** Read the fields as if they held other values, and put them back. */
  function stateOf(values) {
    const own = hash().slice(1);
    show(values);
    const state = read();
    show(own);
    return state;
  }

  function pin(values) {
    pinned = null;
    try {
      if (values) pinned = { values, state: SSEM.checked(stateOf(values)) };
    } catch (error) {
      if (!(error instanceof SSEM.SettingError)) throw error;
    }
    $("pin").setAttribute("aria-pressed", pinned !== null);
    $("pin").textContent = pinned ? "Stop comparing" : "Compare";
    $("pinned-key").hidden = pinned === null;
  }

  // -- sliders: linear or logarithmic between their limits; the right end of an optional field leaves it blank --------

  const tidy = (value, whole) => (whole ? Math.round(value) : Number(value.toPrecision(3)));

  const sliders = [...document.querySelectorAll("[data-of]")].map((slider) => {
    const name = slider.dataset.of;
    const whole = WHOLE.includes(name);
    const scale = "log" in slider.dataset ? [Math.log, Math.exp] : [Number, Number];
    const limits = [slider.min, slider.max].map(Number);
    const steps = whole && scale[0] === Number ? limits[1] - limits[0] : 1000;
    Object.assign(slider, { min: 0, max: steps, step: 1 });
    const most = () => (name === "perBatch" ? Math.max(2, Number($("classes").value)) : limits[1]);
    const ends = () => [limits[0], most()].map(scale[0]);

    function push() {
      const [low, high] = ends();
      const share = slider.value / steps;
      $(name).value = name in BLANK && share === 1 ? "" : tidy(scale[1](low + (high - low) * share), whole);
    }
    function follow() {
      const [low, high] = ends();
      const text = $(name).value;
      const share = text === "" ? 1 : (scale[0](Number(text)) - low) / (high - low);
      slider.value = Math.round(Math.min(1, Math.max(0, share || 0)) * steps);
      slider.setAttribute("aria-valuetext", text || $(name).placeholder);
    }
    return { slider, push, follow };
  });

  /** A balanced batch is a multiple of its classes: where no one is typing, keep it so. */
  function snap() {
    const { sampler, batch, classes, perBatch } = read();
    const drawn = perBatch ?? classes;
    if (sampler === "balanced" && batch % drawn) $("batch").value = Math.max(2, Math.round(batch / drawn)) * drawn;
  }

  const { GIVEN, byClass } = SSEM;

  // -- numbers for people: a bound is rounded so that its sentence stays true: above it up, up to it down -----------

  function digits(x, way = Math.round) {
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "none";
    if (x === 0) return "0";
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - 3);
    const text = (way(x / unit) * unit).toPrecision(4);
    if (Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6) return Number(text).toExponential(3).replace("e", " × 10^");
    return String(Number(text)).replace("-", "−");
  }

  // -- the answer --------------------------------------------------------------------------------------------------

  const BASIS = {
    exact: {
      inWords: "at the optimum",
      note: "exact",
      title: "Free spread at the optimum: exact.",
    },
    minimiser: {
      inWords: "of the minimiser",
      note: "estimate for this dimension",
      title: "Free spread of the minimiser in this dimension: an estimate. The collapse boundary is exact.",
    },
    estimate: {
      inWords: "to expect",
      note: "estimate for a typical network",
      title: "Free spread of a typical network: an estimate. The collapse boundary is exact.",
    },
  };
  /** A threshold: "optimal up to" where all classes open at one weight, else "none is collapsed above". */
  const bound = (s, threshold) => digits(threshold, byClass(s) ? Math.ceil : Math.floor);
  const ROUGH = "approximate, on the safe side";
  const MAY = "some class may be collapsed";
  const SIZES = GIVEN && GIVEN.sizes; // in words, of classes that differ
  function basis(s) {
    const found = BASIS[SSEM.basis(s)];
    if (!byClass(s)) return found;
    const boundary = SSEM.isGiven(s)
      ? `The boundaries are computed at ${GIVEN.taus.length} temperatures, off by about ${GIVEN.error} between them.`
      : `With fewer dimensions than classes the boundary is ${ROUGH}.`;
    return { ...found, title: found.title.replace(/an est/, "a rough est").replace(/The collapse.*/, boundary) };
  }
  const rangeOf = (s) => SSEM.aims(s).safe.map((v) => digits(v)).join(" to ");

  function verdict(s) {
    const silent = SSEM.notCovered(s);
    if (silent) return ["none", "Not covered", silent];
    const [first, threshold] = SSEM.limits(s);
    const [shown, tau] = [digits(threshold, Math.ceil), digits(s.tau)];
    const remedy = "lower the temperature, or put more instances of each class into a batch";
    if (first >= 1 || (threshold >= 1 && first === 0))
      return ["collapse", "Collapse is the optimum at every weight", `The threshold is ${shown}: ${remedy}.`];
    if (s.alpha <= first)
      return ["collapse", "Collapse is the optimum", `At τ = ${tau} every weight α up to ${digits(first, Math.floor)} makes each class one point.`];
    if (s.alpha <= threshold) {
      const title = SIZES ? "Some classes are collapsed" : "Collapse may be the optimum";
      const last = threshold < 1 ? `the last at ${shown}.` : `but no weight opens all: ${remedy}.`;
      const text = first ? `At τ = ${tau} the first class opens at α = ${digits(first, Math.floor)}, ${last}` : `At τ = ${tau} every weight α up to ${shown} may leave a class one point.`;
      return ["collapse", title, text];
    }
    const predicted = SSEM.freeSpread(s);
    const safe = SSEM.safeWeights(s);
    const [least] = SSEM.aims(s).safe;
    const range = rangeOf(s);
    const text = `Free spread ${digits(predicted)} ${basis(s).inWords}`;
    // The ends of the safe range are safe, whatever the last digit of the prediction says.
    if (safe && safe[0] <= s.alpha && s.alpha <= safe[1])
      return ["safe", "Safe", `${text}: inside the safe range of ${range}.`];
    if (predicted < least) return ["thin", "Too little", `${text}: below the safe range of ${range}.`];
    return ["wide", "Too much", `${text}: above the safe range of ${range}, or α is above ${SSEM.LARGEST}. The classes themselves suffer.`];
  }

  let pending;
  function answer(kind, title, text) {
    const box = $("verdict");
    box.dataset.kind = kind;
    box.querySelector("strong").textContent = title;
    box.querySelector("p").textContent = text;
    // A drag shall neither be read out step by step nor fill the browser's history quota.
    clearTimeout(pending);
    pending = setTimeout(() => {
      $("live").textContent = `${title}. ${text}`;
      if (kind !== "invalid") remember(address());
    }, 400);
  }

  // Rows of the two lists: a name, and the value with its note.
  const NUMBERS = {
    "Collapse threshold of α": (s) => {
      const [first, threshold] = SSEM.limits(s);
      const off = SSEM.isGiven(s) && !GIVEN.taus.includes(s.tau) ? `, to within ${GIVEN.error}` : "";
      let note = byClass(s) ? ROUGH : "collapse is optimal up to here";
      if (SSEM.isGiven(s)) note = `of the last class; ${digits(first, Math.floor)} of the first${off}`;
      if (threshold >= 1) note = "no weight prevents collapse";
      return [bound(s, threshold), note];
    },
    "Critical temperature": (s) => {
      const tau = SSEM.criticalTemperature(s);
      const at = `at α = ${digits(s.alpha)}`;
      const given = SSEM.isGiven(s);
      if (given && tau === Infinity) return [`> ${GIVEN.taus.at(-1)}`, `${at} none is collapsed up to here`];
      if (given && tau === 0) return [`< ${GIVEN.taus[0]}`, `${at} some class is collapsed`];
      if (tau === 0 || tau === Infinity) return [digits(tau), `${at} ${tau ? "no" : "every"} temperature collapses`];
      return [digits(tau, Math.ceil), `${SIZES ? "some class is collapsed" : "collapse"} from here on, ${at}`];
    },
    "Recommended α": (s) => {
      const weight = SSEM.recommendedWeight(s);
      const at = `at τ = ${digits(s.tau)}`;
      return weight === null ? ["none", `no weight is safe ${at}`] : [digits(weight), `for free spread ${digits(SSEM.aims(s).wanted)} ${at}`];
    },
    "Safe range of α": (s) => {
      const safe = SSEM.safeWeights(s);
      const note = `free spread ${rangeOf(s)}`;
      return [safe ? `${digits(safe[0], Math.ceil)} to ${digits(safe[1], Math.floor)}` : "none", note];
    },
    "Variance at the optimum": (s) => roomy(s) ?? [digits(SSEM.optimalVariance(s)), "exact in high dimension"],
    "Free spread": (s) => [digits(SSEM.freeSpread(s)), basis(s).note],
    "Plain SupCon as a weight α": (s) => {
      const weight = SSEM.plainWeight(s);
      if (weight === null) return [NOT_COVERED, s.loss === "supcon" ? "another weight in every class" : "another loss"];
      return [(s.sampler === "random" ? "≈ " : "") + digits(weight), "its optimum is collapse at every temperature"];
    },
    "Similarity within / between classes": (s) => {
      if (byClass(s)) return roomy(s);
      const both = SSEM.similarities(s, SSEM.optimalVariance(s));
      return [both.map((x) => digits(x)).join(" / "), "at the optimum"];
    },
  };
  const LOSSES = {
    "All embeddings equal": (s) => reference(s, "totalCollapse", "total collapse"),
    "Each class one point": (s) => reference(s, "classCollapse", "class collapse"),
    "Optimum at this α": (s) => {
      const drifts = !SIZES && s.loss === "supcon" && s.alpha < SSEM.plainWeight(s);
      const note = drifts ? "at most: at so small a weight views drift apart, too" : "the least the loss can be";
      return reference(s, "optimum", note + (SIZES && GIVEN.losses ? `, to within ${GIVEN.losses.error}` : ""));
    },
  };
  function reference(s, name, note) {
    const known = SSEM.referenceLosses(s);
    if (!known) return ["–", BELOW];
    return byClass(s) && !SIZES && name !== "totalCollapse" ? [NOT_COVERED, ""] : [digits(known[name]), note];
  }
  const NOT_COVERED = "not covered";
  const BELOW = "the command below prints it";
  const roomy = (s) => (byClass(s) ? [NOT_COVERED, ""] : null);

  const element = (tag, textContent) => Object.assign(document.createElement(tag), { textContent });

  function list(target, rows, s) {
    const silent = SSEM.notCovered(s) !== null;
    const other = pinned && SSEM.notCovered(pinned.state) === null ? pinned.state : null;
    target.replaceChildren(
      ...Object.entries(rows).map(([name, row]) => {
        const [value, note] = silent ? [NOT_COVERED, ""] : row(s);
        const [box, definition] = [element("div"), element("dd")];
        definition.append(element("strong", value), element("span", note));
        const compared = other && !silent ? row(other)[0] : value;
        if (compared !== value) definition.append(element("em", `pinned: ${compared}`));
        box.append(element("dt", name), definition);
        return box;
      }),
    );
  }

  const OPTIONS = {
    loss: "loss",
    sampler: "sampler",
    classes: "classes",
    instances: "instances-per-class",
    batch: "batch-size",
    perBatch: "classes-per-batch",
    views: "views",
    dim: "dim",
    alpha: "alpha",
    tau: "temperature",
    network: "network",
  };

  function command(s) {
    const page = SSEM.needsPage(s);
    const left = [page && "network", ...(SIZES ? ["classes", "instances"] : [])];
    const given = Object.entries(OPTIONS).filter(([name]) => s[name] !== null && s[name] !== Infinity && !left.includes(name));
    const value = (name) => (name === "batch" && SSEM.isGiven(s) ? GIVEN.batch : s[name]);
    const parts = given.map(([name, option]) => `--${option} ${value(name)}`);
    if (SIZES) parts.unshift(GIVEN.source);
    parts.unshift(`ssem-advisor ${page ? "explore" : "recommend"}`);
    if (page) parts.push("-o page.html");
    $("command").replaceChildren(...parts.flatMap((part) => [element("span", part), " "]));
  }

  /** Where the loss on a screen lies between the three reference values; `measure --loss-value` draws the same lines. */
  function place(s) {
    const text = $("value").value.trim();
    const base = numeric("base", $("base").value);
    const scale = base > 0 ? s.tau / base : 1;
    const references = SSEM.notCovered(s) || (byClass(s) && !SIZES) ? null : SSEM.referenceLosses(s);
    $("placed").textContent = text === "" || references === null ? "" : SSEM.placed(Number(text) / scale, references);
  }

  // -- phase diagram: nested contours, each the closed form alpha(v) at every temperature ---------------------------

  const CIVIDIS = "#00224e #083370 #35456c #4f576c #666970 #7d7c78 #948e77 #aea371 #c8b866 #e5cf52 #fee838".split(" ");
  const colour = (share) => {
    const at = Math.min(share ** 0.6, 0.9999) * 10; // the power gives the safe range its share of the colours
    const i = Math.floor(at);
    const f = at - i;
    const part = (hex, j) => parseInt(hex.slice(1 + 2 * j, 3 + 2 * j), 16);
    return `rgb(${[0, 1, 2].map((j) => Math.round(part(CIVIDIS[i], j) * (1 - f) + part(CIVIDIS[i + 1], j) * f))})`;
  };
  const LEVELS = [...Array.from({ length: 20 }, (_, i) => i / 40), ...Array.from({ length: 11 }, (_, i) => 0.5 + i / 20)];
  const TAUS = [0.01, 10];
  const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
  const MARGIN = { left: 54, right: 10, top: 8, bottom: 40 };
  const logShare = (tau) => Math.log(tau / TAUS[0]) / Math.log(TAUS[1] / TAUS[0]);
  const tauAt = (share) => TAUS[0] * (TAUS[1] / TAUS[0]) ** share;
  $("ramp").style.background = `linear-gradient(90deg, ${Array.from({ length: 21 }, (_, i) => `${colour(i / 20)} ${5 * i}%`).join()})`;

  let frame; // what the pointer needs to know about the last drawing
  function draw(s) {
    const host = $("diagram");
    const silent = SSEM.notCovered(s) !== null;
    const plain = SSEM.plainWeight(s);
    $("basis").textContent = silent ? "" : basis(s).title;
    $("plain-key").hidden = silent || plain === null;
    if (silent) {
      frame = null;
      host.replaceChildren(Object.assign(element("div", "Not covered"), { className: "empty" }));
      return $("table").replaceChildren();
    }
    const width = Math.max(280, host.clientWidth);
    const height = Math.round(Math.min(460, Math.max(290, width * 0.56)));
    const w = width - MARGIN.left - MARGIN.right;
    const h = height - MARGIN.top - MARGIN.bottom;
    const X = (tau) => MARGIN.left + w * logShare(tau);
    const Y = (alpha) => MARGIN.top + h * (1 - Math.min(1.1, Math.max(-0.1, alpha)));
    frame = { s, w, h };
    const columns = Math.round(Math.min(140, w / 4));
    const few = SSEM.merged(SSEM.batches(s));
    const top = SSEM.most(s);
    const { safe: ends } = SSEM.aims(s);
    const levels = [...new Set([...LEVELS.filter((v) => v <= top), ...ends])].sort((a, b) => a - b);
    $("ramp-high").textContent = top;
    const [curves, opening] = [levels.map(() => []), []];
    for (let i = 0; i <= columns; i++) {
      const at = { ...s, tau: tauAt(i / columns) };
      const [first, last] = SSEM.limitsOf(at, few);
      opening.push([X(at.tau), Y(first > 0.999999 ? 2 : first)]);
      // Where a class is collapsed nothing else is shown.
      const alpha = (v) => Math.max(last > 0.999999 ? 2 : last, v === 0 ? 0 : SSEM.weightFor(at, v, few));
      levels.forEach((v, j) => curves[j].push([X(at.tau), Y(alpha(v))]));
    }
    const apart = SSEM.isGiven(s);
    $("some-key").hidden = !apart;
    $("some").textContent = MAY;
    const line = (points) => "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const above = (points) => `${line(points)}V-99H${MARGIN.left}Z`;
    const region = (points, j) => `<path d="${above(points)}" fill="${colour((levels[j] + levels[j + 1]) / 2 / top)}"/>`;
    const [edge, low, high] = [0, ...ends].map((v) => curves[levels.indexOf(v)]);
    const note = (x, y, text) => `<text class="note" x="${x}" y="${y}" text-anchor="middle">${text}</text>`;
    const floor = MARGIN.top + h;
    const labelled = (points, text) => {
      const [x, y] = points.reduce((lowest, point) => (point[1] > lowest[1] ? point : lowest));
      const inFrame = Math.min(MARGIN.left + w - 24, Math.max(MARGIN.left + 24, x));
      return y < MARGIN.top + 16 || y > floor - 14 ? "" : note(inFrame, y - 7, text);
    };
    const [x, brink] = (apart ? opening : edge)[Math.round(columns * 0.86)];
    const collapse = floor - brink > 40 ? note(x, (brink + floor) / 2 + 4, "collapse") : "";
    const inside = s.tau >= TAUS[0] && s.tau <= TAUS[1];
    const ticks = TICKS.filter((t) => width > 480 || [0.01, 0.1, 1, 10].includes(t));
    const [here, recommended] = [SSEM.collapseThreshold(s), SSEM.recommendedWeight(s)];
    const state = byClass(s) ? MAY : "collapse is optimal";
    const description =
      `Phase diagram. At temperature ${digits(s.tau)} ${state} up to weight ${bound(s, here)}; ` +
      "the table holds the numbers.";
    const ring = ({ tau, alpha, label }) =>
      `<circle cx="${X(tau)}" cy="${Y(alpha ?? plain)}" r="4.5" class="recipe"><title>${label}</title></circle>`;
    const recipes = SSEM.RECIPES.filter(({ losses, alpha }) => losses.includes(s.loss) && (alpha ?? plain) !== null);
    $("recipe-key").hidden = recipes.length === 0;
    const diamond = (alpha) =>
      `<path d="M0-7l7 7-7 7-7-7z" transform="translate(${X(s.tau)} ${Y(alpha)})" class="recommended"/>`;
    const tall = (alpha) => `<text x="${MARGIN.left - 7}" y="${Y(alpha) + 4}" text-anchor="end">${alpha}</text>`;
    const area = `x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}"`;
    host.innerHTML = `<svg viewBox="0 0 ${width} ${height}" height="${height}" role="img" aria-label="${description}">
      <defs>
        <clipPath id="plot"><rect ${area} rx="3"/></clipPath>
        <pattern id="lines" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <path d="M0 0V8" class="hatch"/>
        </pattern>
        <pattern id="dots" width="9" height="9" patternUnits="userSpaceOnUse"><circle cx="3" cy="3" r="1.3" class="dot"/></pattern>
      </defs>
      <g clip-path="url(#plot)">
        <rect ${area} class="collapse"/>
        <rect ${area} fill="url(#lines)"/>
        ${apart ? `<path d="${above(opening)}" class="collapse"/><path d="${above(opening)}" fill="url(#dots)"/>` : ""}
        ${curves.slice(0, -1).map(region).join("")}
        ${ticks.map((t) => `<path d="M${X(t)} 0V${height}" class="grid"/>`).join("")}
        <path d="${line(low)}" class="casing"/><path d="${line(low)}" class="band"/>
        <path d="${line(high)}" class="casing"/><path d="${line(high)}" class="band"/>
        <path d="${line(edge)}" class="threshold"/>
        ${apart ? `<path d="${line(opening)}" class="threshold"/>` : ""}
        ${plain === null ? "" : `<path d="M${MARGIN.left} ${Y(plain)}h${w}" class="plain"/>`}
        ${pinned ? comparison(s, columns, X, Y, line) : ""}
        ${inside ? `<path d="M${X(s.tau)} 0V${height}M0 ${Y(s.alpha)}H${width}" class="cross"/>` : ""}
        ${labelled(low, (width > 480 ? "safe from " : "") + digits(ends[0]))}${labelled(high, (width > 480 ? "to " : "") + digits(ends[1]))}${collapse}
      </g>
      <rect ${area} rx="3" class="frame"/>
      ${recipes.map(ring).join("")}
      ${inside && recommended !== null ? diamond(recommended) : ""}
      ${inside ? `<circle cx="${X(s.tau)}" cy="${Y(s.alpha)}" r="7" class="here"/>` : ""}
      ${ticks.map((t) => `<text x="${X(t)}" y="${height - 24}" text-anchor="middle">${t}</text>`).join("")}
      ${[0, 0.25, 0.5, 0.75, 1].map(tall).join("")}
      <text class="axis" x="${MARGIN.left + w / 2}" y="${height - 5}" text-anchor="middle">temperature τ, logarithmic</text>
      <text class="axis" transform="translate(13 ${MARGIN.top + h / 2}) rotate(-90)" text-anchor="middle">weight α</text>
    </svg>`;
    tabulate(s);
  }

  /** The collapse boundary of the pinned setting, and its point. */
  function comparison(s, columns, X, Y, line) {
    const other = pinned.state;
    if (SSEM.notCovered(other)) return "";
    const few = SSEM.merged(SSEM.batches(other));
    const points = [];
    for (let i = 0; i <= columns; i++) {
      const at = { ...other, tau: tauAt(i / columns) };
      points.push([X(at.tau), Y(SSEM.limitsOf(at, few)[1])]);
    }
    const there = `<circle cx="${X(other.tau)}" cy="${Y(other.alpha)}" r="6" class="there"/>`;
    return `<path d="${line(points)}" class="pinned"/>${there}`;
  }

  function tabulate(s) {
    if (!$("table").closest("details").open) return;
    const weight = (a) => (a <= 1 ? digits(a) : "none");
    $("table").replaceChildren(
      ...TICKS.map((tau) => {
        const at = { ...s, tau };
        const aim = SSEM.aims(at);
        const row = element("tr");
        const head = element("th", String(tau));
        head.scope = "row";
        const threshold = SSEM.collapseThreshold(at);
        row.append(head, element("td", threshold < 1 ? bound(at, threshold) : "1 (always)"));
        for (const v of [aim.safe[0], aim.wanted, aim.safe[1]])
          row.append(element("td", weight(Math.max(threshold, SSEM.weightFor(at, v)))));
        row.append(element("td", digits(SSEM.freeSpread(at))));
        return row;
      }),
    );
  }

  /** The weight and temperature under the pointer. */
  function under(event) {
    const box = $("diagram").firstElementChild.getBoundingClientRect();
    const clamp = (x) => Math.min(1, Math.max(0, x));
    const share = clamp((event.clientX - box.left - MARGIN.left) / frame.w);
    const up = clamp(1 - (event.clientY - box.top - MARGIN.top) / frame.h);
    return { tau: tidy(tauAt(share)), alpha: Number(up.toFixed(3)) };
  }

  function point(event) {
    if (!frame) return;
    const { tau, alpha } = under(event);
    const at = { ...frame.s, tau, alpha };
    const [, title] = verdict(at);
    const spread = digits(SSEM.freeSpread(at));
    $("readout").textContent = `τ ${digits(tau)}, α ${digits(alpha)}: free spread ${spread}. ${title}.`;
    if (!(event.buttons & 1)) return;
    $("tau").value = tau;
    $("alpha").value = alpha;
    update();
  }

  /** The diagram as a file of its own: the page's styles are written into its elements. */
  function picture() {
    const drawn = $("diagram").querySelector("svg");
    const copy = drawn.cloneNode(true);
    const names = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order",
      "font-family", "font-size", "font-weight"];
    const [originals, copies] = [drawn, copy].map((svg) => [...svg.querySelectorAll("*")]);
    originals.forEach((original, i) => {
      const style = getComputedStyle(original);
      for (const name of names) copies[i].setAttribute(name, style.getPropertyValue(name));
    });
    const [, , width, height] = drawn.getAttribute("viewBox").split(" ");
    copy.setAttribute("width", width);
    const ground = document.createElementNS(drawn.namespaceURI, "rect");
    const colour = getComputedStyle(document.body).backgroundColor;
    for (const [name, value] of Object.entries({ width, height, fill: colour })) ground.setAttribute(name, value);
    copy.prepend(ground);
    return new XMLSerializer().serializeToString(copy);
  }

  // -- wiring --------------------------------------------------------------------------------------------------------

  let scheduled;
  let recommended = null;
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
      $("take").disabled = true;
      return answer("invalid", "Not a setting yet", `${error.message}.`);
    }
    for (const name of [...WHOLE, ...REAL]) $(name).removeAttribute("aria-invalid");
    answer(...verdict(s));
    list($("numbers"), NUMBERS, s);
    list($("losses"), LOSSES, s);
    recommended = SSEM.notCovered(s) ? null : SSEM.recommendedWeight(s);
    $("take").disabled = recommended === null;
    command(s);
    place(s);
    draw(s);
  }

  if (SIZES) {
    for (const name of ["classes", "instances"])
      for (const part of [$(name), form.querySelector(`[data-of=${name}]`)]) part.disabled = true;
    $("sizes").textContent = `Classes of different size, ${SIZES}: fixed in this page.`;
  }
  for (const { slider, push } of sliders) slider.addEventListener("input", () => (push(), snap(), update()));
  for (const input of form.elements)
    if (!("of" in input.dataset)) input.addEventListener("input", () => (input.type === "radio" && snap(), update()));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => (open(location.hash.slice(1)), update()));
  $("diagram").addEventListener("pointerdown", (event) => {
    $("diagram").setPointerCapture(event.pointerId);
    point(event);
  });
  $("diagram").addEventListener("pointermove", point);
  for (const name of ["value", "base"]) $(name).addEventListener("input", update);
  $("pin").addEventListener("click", () => (pin(pinned ? "" : hash().slice(1)), update()));
  $("save").addEventListener("click", () => {
    if (!frame) return;
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([picture()], { type: "image/svg+xml" }));
    link.download = "class-collapse.svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  $("table").closest("details").addEventListener("toggle", update);
  $("take").addEventListener("click", () => (($("alpha").value = Number(recommended.toPrecision(4))), update()));
  function copier(name, what, text) {
    const before = $(name).textContent;
    $(name).addEventListener("click", async () => {
      const copied = await navigator.clipboard.writeText(text()).then(() => true, () => false);
      $(name).textContent = $("live").textContent = copied ? `${what} copied` : `${what} not copied: select it by hand`;
      setTimeout(() => ($(name).textContent = before), 2500);
    });
  }
  copier("copy", "Link", () => new URL(address(), host ? host.location.href : location.href).href);
  copier("copy-command", "Command", () => $("command").textContent.trim());

  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  function theme(dark) {
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").textContent = dark ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
    update();
  }
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme !== "dark"));
  if (host) {
    // Inside the documentation the site's own switch rules.
    const follow = () => theme(host.document.body.dataset.mdColorScheme === "slate");
    new MutationObserver(follow).observe(host.document.body, { attributeFilter: ["data-md-color-scheme"] });
    $("theme").hidden = true;
    follow();
  } else {
    systemDark.addEventListener("change", () => theme(systemDark.matches));
    theme(systemDark.matches);
  }

  function open(values) {
    show(values);
    pin(new URLSearchParams(values).get("with"));
  }
  show(form.dataset.start);
  open((host ?? window).location.hash.slice(1));
  update();
  new ResizeObserver(update).observe($("diagram"));
})();
