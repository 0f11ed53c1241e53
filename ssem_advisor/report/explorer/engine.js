"use strict";
/* The closed forms of the theory in double precision, in log space, without cancellation.
 *
 * A setting is {loss, classes, instances, batch, sampler, perBatch, views, dim, alpha, tau, network}; instances and dim may be
 * Infinity. Every answer follows from two forces at a within-class variance v: v = 0 is class collapse.
 */
const SSEM = (() => {
  class SettingError extends Error {
    constructor(field, message) {
      super(message);
      this.field = field;
    }
  }

  const { abs, ceil, exp, floor, log, log1p, max, min, sqrt } = Math;
  const sigmoid = (z) => (z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)));
  const logAdd = (a, b) => (a === b ? a + Math.LN2 : max(a, b) + log1p(exp(-abs(a - b))));

  /** The function, remembering its answer for the last setting it was asked about (the very object). */
  const remembering = (answer) => {
    let [asked, found] = [];
    return (s) => {
      if (s !== asked) [asked, found] = [s, answer(s)];
      return found;
    };
  };

  const DOMAIN = { classes: 2, instances: 2, batch: 2, perBatch: 2, views: 1, dim: 1 };
  const LABELS = {
    classes: "Classes",
    instances: "Instances per class",
    batch: "Batch size",
    perBatch: "Classes per batch",
    views: "Views",
    dim: "Dimension",
  };

  /** The setting itself, or a SettingError naming the field and its domain. */
  function checked(s) {
    for (const [name, least] of Object.entries(DOMAIN)) {
      const value = s[name];
      const unlimited = value === Infinity && (name === "instances" || name === "dim");
      const absent = value == null && (name === "perBatch" || (name === "batch" && s.sampler === "full"));
      if (!absent && !unlimited && !(Number.isSafeInteger(value) && value >= least))
        throw new SettingError(name, `${LABELS[name]} must be a whole number of at least ${least}`);
    }
    if (!(s.tau >= 0.005 && s.tau <= 100)) throw new SettingError("tau", "Temperature must lie between 0.005 and 100");
    if (!(s.alpha >= 0 && s.alpha <= 1)) throw new SettingError("alpha", "Weight alpha must lie between 0 and 1");
    const total = s.classes * s.instances;
    if (s.sampler === "full") {
      if (total === Infinity)
        throw new SettingError("instances", "A full batch needs the number of instances per class");
      return s;
    }
    if (s.batch > total) throw new SettingError("batch", `The batch is larger than the data set of ${total} instances`);
    if (s.sampler === "balanced") {
      const drawn = s.perBatch ?? s.classes;
      if (drawn > s.classes) throw new SettingError("perBatch", `Classes per batch must be at most ${s.classes}`);
      if (s.batch % drawn) {
        const lower = s.batch - (s.batch % drawn);
        const near = lower ? `${lower} or ${lower + drawn}` : drawn;
        throw new SettingError("batch", `A balanced batch is a multiple of its ${drawn} classes: try ${near}`);
      }
      if (s.batch / drawn > s.instances)
        throw new SettingError(
          "batch",
          `The batch asks for more than ${s.instances} instances of a class, all there are`,
        );
    }
    return s;
  }

  /** What an anchor meets: [{k, o, q}] = same-class and other-class instances in its batch, and the probability. */
  const batches = remembering((s) => {
    if (s.sampler === "full") return [{ k: s.instances - 1, o: (s.classes - 1) * s.instances, q: 1 }];
    if (s.sampler === "random") return randomBatches(s.classes, s.instances, s.batch - 1);
    const drawn = s.perBatch ?? s.classes;
    const each = s.batch / drawn;
    return [{ k: each - 1, o: (drawn - 1) * each, q: 1 }];
  });

  /** Hypergeometric (binomial for infinite data) weights, by ratios outward from the mode. */
  function randomBatches(m, N, draws) {
    const finite = N < Infinity;
    const others = (m - 1) * N;
    const ratio = finite
      ? (k) => ((N - 1 - k) * (draws - k)) / ((k + 1) * (others - draws + k + 1))
      : (k) => (draws - k) / ((k + 1) * (m - 1));
    const least = finite ? max(0, draws - others) : 0;
    const most = finite ? min(draws, N - 1) : draws;
    const mode = min(most, max(least, floor(finite ? ((draws + 1) * N) / (m * N + 1) : (draws + 1) / m)));
    const found = [{ k: mode, q: 1 }];
    for (let k = mode, q = 1; k < most && (q *= ratio(k)) > 1e-24;) found.push({ k: ++k, q });
    for (let k = mode, q = 1; k > least && (q /= ratio(k - 1)) > 1e-24;) found.unshift({ k: --k, q });
    const total = found.reduce((sum, b) => sum + b.q, 0);
    return found.map(({ k, q }) => ({ k, o: draws - k, q: q / total }));
  }

  /** Neighbouring batches merged by their means, the rarest left out: for drawing, where three digits are plenty. */
  function merged(all) {
    const likely = all.filter(({ q }) => q > 1e-6);
    const step = ceil(likely.length / 48);
    if (step === 1) return likely;
    const result = [];
    for (let i = 0; i < likely.length; i += step) {
      const group = likely.slice(i, i + step);
      const q = group.reduce((sum, b) => sum + b.q, 0);
      const mean = (name) => group.reduce((sum, b) => sum + b.q * b[name], 0) / q;
      result.push({ k: mean("k"), o: mean("o"), q });
    }
    return result;
  }

  const selfTerm = (s) => (s.loss === "ssem" ? 1 : (s.views - 1) / s.views);
  const logR = (s) => -s.classes / ((s.classes - 1) * s.tau);
  const spread = (s) => 1 - 1 / s.instances; // (N-1)/N
  const rhoOf = (s) => spread(s) / (s.classes - 1); // minus the slope of the between-class similarity

  /* Two ways to the forces at within-class variance v, for anchors that meet the batches `all`:
   * pull = -S_sup, excess = S_self, sum = S_self - S_sup. The optimum lies where alpha = pull / sum. */

  /** Exact, where the regular geometry has room; rho and lr = log r are those of the simplex unless given. */
  function exact(s, all, rho = rhoOf(s), lr = logR(s)) {
    const logC = log(selfTerm(s));
    return (v) => {
      const y = v / (s.tau * spread(s));
      const total = { pull: 0, excess: 0, sum: 0 };
      for (const { k, o, q } of all) {
        const logO = log(o) + lr;
        if (s.loss === "l_spread") {
          const pull = (rho * sigmoid(logO + rho * y) + k * (1 + rho) * sigmoid(logO + (1 + rho) * y)) / (k + 1);
          const excess = sigmoid(log(k) - y);
          add(total, q, pull, excess, pull + excess);
          continue;
        }
        const w = sigmoid(logO + rho * y - logC);
        if (k === 0) {
          add(total, q, 0, -rho * w, -rho * w);
          continue;
        }
        const gap = log(k) - logAdd(logC + y, logO + (1 + rho) * y);
        const rest = sigmoid(-gap);
        add(total, q, rest * (1 + rho * w), sigmoid(gap) - rest * rho * w, 1);
      }
      return total;
    };
  }

  /** Whose spread is shown: the loss minimiser's, or that of a network as trained on real images. */
  function network(s) {
    const { reliability, share, near, most } = CONSTANTS.typical;
    const left = max(s.dim - s.classes + 1, near * (s.dim - 1));
    if (s.network === "perfect" || s.loss === "l_spread") return { reliability: 1, directions: max(left, 1) };
    return { reliability, directions: max(1, min(share * left, most)) };
  }

  /** Estimated for a network: residuals spread evenly over its directions, views share the part `reliability` of them. */
  function estimated(s, all) {
    const { reliability, directions } = network(s);
    const loose = 1 - reliability;
    const still = s.loss === "ssem" ? 1 / s.views : 0; // ssem counts the anchor's own view, which never moves
    const [moving, between] = [selfTerm(s) - still, 1 / (s.classes - 1)];
    return (v) => {
      const [logM, slope] = directions < Infinity ? logMeanExp(v / s.tau, directions) : [0, 0];
      const own = log(moving) - (loose * v) / s.tau;
      const near = logM - v / s.tau;
      const far = logM - (1 + (1 - v) * between) / s.tau;
      const scale = max(still > 0 ? log(still) : -Infinity, own, near, far);
      const [fixed, moved] = [still * exp(-scale), exp(own - scale)];
      const total = { pull: 0, excess: 0, sum: 0 };
      for (const { k, o, q } of all) {
        if (s.loss === "l_spread") {
          const itself = (between + slope) * sigmoid(log(o) + far);
          const pull = (itself + k * (1 + between + slope) * sigmoid(log(o) + far + v / s.tau)) / (k + 1);
          const excess = (1 - slope) * sigmoid(log(k) + near);
          add(total, q, pull, excess, pull + excess);
          continue;
        }
        const same = k * exp(near - scale);
        const other = o * exp(far - scale);
        const whole = fixed + moved + same + other;
        const rest = (fixed + reliability * moved + slope * same + (1 + between + slope) * other) / whole;
        const kept = 1 - (1 - still) * loose; // what the self-supervised term leaves of the pull
        const excess = kept - rest;
        if (k === 0) add(total, q, 0, excess, excess);
        else add(total, q, rest, excess, kept);
      }
      return total;
    };
  }

  function add(total, q, pull, excess, sum) {
    total.pull += q * pull;
    total.excess += q * excess;
    total.sum += q * sum;
  }

  /** log E[exp(z cos)] of two uniform directions in D dimensions, 0F1(; D/2; z^2/4), and its derivative in z. */
  function logMeanExp(z, D) {
    let [term, sum, moment] = [1, 1, 0];
    for (let j = 0; term > 1e-18 * sum; j++) {
      term *= (z * z) / 4 / ((j + 1) * (D / 2 + j));
      sum += term;
      moment += (j + 1) * term;
    }
    return [log(sum), z > 0 ? (2 * moment) / (z * sum) : 0];
  }

  /** The weight that makes v optimal; infinite where none does. */
  const weight = ({ pull, sum }) => (sum > 0 ? pull / sum : Infinity);

  /** The variance that the weight alpha makes optimal. Written so that nothing cancels, at alpha = 1 either. */
  function balance(alpha, forces) {
    const opens = (v) => {
      const { pull, excess } = forces(v);
      return alpha * excess > (1 - alpha) * pull;
    };
    if (alpha <= weight(forces(0)) || !opens(1e-18)) return 0;
    return opens(1) ? 1 : edge(opens, 1e-18, 1);
  }

  /** The edge of a predicate that holds at `low` and fails at `high`, both > 0, to the last digit. */
  function edge(holds, low, high) {
    for (;;) {
      const middle = high > 2 * low ? sqrt(low) * sqrt(high) : (low + high) / 2;
      if (middle <= low || middle >= high) return middle;
      if (holds(middle)) low = middle;
      else high = middle;
    }
  }

  // -- answers -----------------------------------------------------------------------------------------------------

  const crowded = (s) => s.dim < s.classes;

  /* Where every class has its own threshold, those of the first and the last one may come with the page, computed for
   * one setting (report/boundary.py). Classes of different sizes have nothing else; the setting then says their mean.
   */
  const GIVEN = CONSTANTS.given;
  const uneven = GIVEN !== null && GIVEN.sizes !== null;
  const byClass = (s) => crowded(s) || uneven;

  /** Whether the thresholds that came with the page are those of a setting. */
  const isGiven = (s) =>
    GIVEN !== null && s.tau >= GIVEN.taus[0] * (1 - 1e-9) && s.tau <= GIVEN.taus.at(-1) * (1 + 1e-9) &&
    Object.entries(GIVEN.of).every(([name, value]) => value === (s[name] === Infinity ? null : s[name]));

  /** First and last threshold from those that came: themselves, or a cubic in log tau, `error` on the safe side of it. */
  function fromGiven({ tau }, error) {
    const { taus, values, slopes } = GIVEN;
    const i = max(min(taus.findLastIndex((t) => t <= tau), taus.length - 2), 0);
    const step = log(taus[i + 1] / taus[i]);
    const p = log(tau / taus[i]) / step;
    const off = taus.includes(tau) ? 0 : error;
    const curve = (y, slope) =>
      y[i] * (1 + 2 * p) * (1 - p) ** 2 + y[i + 1] * p ** 2 * (3 - 2 * p) +
      step * p * (1 - p) * (slope[i] * (1 - p) - slope[i + 1] * p);
    return [max(curve(values[0], slopes[0]) - off, 0), min(curve(values[1], slopes[1]) + off, 1)];
  }

  /* Fewer dimensions than classes: every class has its own threshold, at the class means that minimise the loss of
   * collapsed classes. Few means are found by descent, many are bounded. Tests hold both above the thresholds of Python.
   */
  const LADDER = Array.from({ length: 15 }, (_, i) => 1.6 * 0.72 ** i); // temperatures of the descents
  const STARTS = 6;
  const MARGIN = 1.15; // for other local minima, and for straight lines between the temperatures
  const isLong = (s) => s.classes ** 2 * s.dim > 3000;

  /** Random unit vectors, the same for the same seed. */
  function scattered(m, d, seed) {
    const uniform = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    return unit(Float64Array.from({ length: m * d }, () => uniform() + uniform() + uniform() + uniform() - 2), d);
  }

  function unit(V, d) {
    for (let i = 0; i < V.length; i += d) {
      const row = V.subarray(i, i + d);
      const length = sqrt(dot(row, row));
      row.forEach((x, c) => (row[c] = x / length));
    }
    return V;
  }

  function dot(a, b) {
    let sum = 0;
    for (let c = 0; c < a.length; c++) sum += a[c] * b[c];
    return sum;
  }

  /** Minimise sum_i log Z_i, Z_i = same + sum_k T_ik, T_ik = count exp((v_i.v_k - 1) / tau), over the rows of V. */
  function descend(V, m, d, tau, same, count, steps) {
    const [T, Z, rows] = [new Float64Array(m * m), new Float64Array(m), []];
    for (let i = 0; i < m; i++) rows.push(V.subarray(i * d, i * d + d));
    let [before, old] = [];
    for (let turn = 0, step = 0; ; turn++) {
      Z.fill(same);
      for (let i = 0; i < m; i++)
        for (let k = 0; k < i; k++) {
          const t = (T[i * m + k] = T[k * m + i] = count * exp((dot(rows[i], rows[k]) - 1) / tau));
          Z[i] += t;
          Z[k] += t;
        }
      const slopes = new Float64Array(m * d);
      for (let i = 0; i < m; i++) {
        const slope = slopes.subarray(i * d, i * d + d);
        for (let k = 0; k < m; k++) {
          const pull = T[i * m + k] * (1 / Z[i] + 1 / Z[k]);
          for (let c = 0; c < d; c++) slope[c] += pull * rows[k][c];
        }
        const along = dot(slope, rows[i]);
        for (let c = 0; c < d; c++) slope[c] -= along * rows[i][c];
      }
      const steepest = slopes.reduce((most, x) => max(most, abs(x)), 0);
      if (turn === steps || steepest < 1e-9) return { T, Z, rows, value: Z.reduce((sum, z) => sum + log(z), 0) };
      // The step of Barzilai and Borwein: the change of place against the change of slope.
      const moved = before && V.map((x, j) => x - before[j]);
      const bent = before && slopes.map((x, j) => x - old[j]);
      const product = before ? dot(moved, bent) : 0;
      if (product > 0) step = turn % 2 ? dot(moved, moved) / product : product / dot(bent, bent);
      else step = before ? 2 * step : 0.1 / steepest;
      step = min(step, 0.3 / steepest);
      [before, old] = [V.slice(), slopes];
      slopes.forEach((x, j) => (V[j] -= step * x));
      unit(V, d);
    }
  }

  /** The largest threshold of a class at class means: the ordinary one at the r and rho that the class meets. */
  function lastOpening(s, tau, all, count, { T, Z, rows }) {
    const [m, d] = [s.classes, s.dim];
    const leftOut = s.sampler === "random" ? 0 : 1 - all[0].k / (s.instances - 1); // of a class, by its batches
    const thresholds = rows.map((own, i) => {
      const [bending, pull] = [new Float64Array(d * d), new Float64Array(d)];
      let [strength, force] = [0, 0];
      rows.forEach((row, k) => {
        const t = T[i * m + k];
        const attraction = t * (1 + Z[i] / Z[k]);
        const curved = attraction - (leftOut * t * t * Z[i]) / Z[k] ** 2 / count;
        strength += t;
        force += attraction * dot(own, row);
        for (let a = 0; a < d; a++) {
          pull[a] += t * row[a];
          for (let b = 0; b < d; b++) bending[a * d + b] += curved * row[a] * row[b];
        }
      });
      for (let a = 0; a < d; a++) for (let b = 0; b < d; b++) bending[a * d + b] -= (pull[a] * pull[b]) / Z[i];
      // The least eigenvalue on the tangent space, from above: powers of (shift - bending).
      const shift = sqrt(dot(bending, bending));
      let x = Float64Array.from(own, (_, c) => 1 / (c + 1) + (c % 3));
      let stiffness = 0;
      for (let turn = 0; turn < 30; turn++) {
        const along = dot(x, own);
        x = unit(x.map((y, c) => y - along * own[c]), d);
        const image = x.map((_, a) => dot(bending.subarray(a * d, a * d + d), x));
        stiffness = dot(image, x);
        x = x.map((y, c) => shift * y - image[c]);
      }
      const rho = (spread(s) * (stiffness / (2 * tau) - force / 2)) / strength;
      return weight(exact({ ...s, tau }, all, rho, log(strength / count / (m - 1)))(0));
    });
    const last = max(...thresholds); // classes that open first take up room (theory/crowding.py)
    return 1.02 * last + min(1.6 * (last - min(...thresholds)), 0.21 * last);
  }

  /** Above the largest thresholds of the classes at the temperatures of LADDER, remembered while only alpha and tau change. */
  let [ladderOf, rungs] = [];
  function ladder(s) {
    const key = [s.loss, s.sampler, s.classes, s.instances, s.batch, s.perBatch, s.views, s.dim].join();
    if (key === ladderOf) return rungs;
    const all = batches(s);
    const [m, d] = [s.classes, s.dim];
    const mean = (name) => all.reduce((sum, b) => sum + b.q * b[name], 0);
    const [same, count] = [selfTerm(s) + mean("k"), mean("o") / (m - 1)];
    const best = LADDER.map(() => ({ value: Infinity }));
    for (let start = 0; start < STARTS; start++) {
      const noise = scattered(m, d, 104729 * (start + 1));
      const cooled = start % 2 === 0; // every other start is cooled from the highest temperature, with some noise
      let V = scattered(m, d, 7919 * (start + 1));
      LADDER.forEach((tau, i) => {
        if (!cooled) V = scattered(m, d, 7919 * (start + 1) + i);
        const found = descend(V.slice(), m, d, tau, same, count, cooled ? 80 : 150);
        if (found.value < best[i].value) best[i] = found;
        if (cooled) V = unit(Float64Array.from(noise, (x, j) => found.rows[floor(j / d)][j % d] + 0.02 * x), d);
      });
    }
    rungs = best.map((found, i) => MARGIN * lastOpening(s, LADDER[i], all, count, found));
    for (let i = rungs.length - 2; i >= 0; i--) rungs[i] = max(rungs[i], rungs[i + 1]); // they grow with tau
    ladderOf = key;
    return rungs;
  }

  function descended(s) {
    const found = ladder(s);
    const place = log(s.tau / LADDER[0]) / log(0.72);
    if (place <= 0) return max(1, found[0]);
    const i = min(floor(place), found.length - 2);
    return found[i] + (found[i + 1] - found[i]) * min(place - i, 1);
  }

  /** Many class means: at a tight frame or spread evenly, whichever stays collapsed longer. */
  function frame(s, all) {
    const [c, even] = [selfTerm(s), exp(logMeanExp(1 / s.tau, s.dim)[0] - 1 / s.tau)];
    const alpha = (r, rho, curved) => {
      const total = { pull: 0, excess: 0, sum: 0 };
      for (const { k, o, q } of all) {
        const push = (rho + curved) * o * r;
        if (k) add(total, q, (c + o * r + push) / (c + k + o * r), 0, 1);
        else add(total, q, 0, 0, -push / (c + o * r));
      }
      return weight(total);
    };
    const far = s.classes * s.dim > 4000 ? max(0.03, 3.75 / s.dim) : 0;
    const tight = alpha(exp(logR(s)), rhoOf(s), s.classes / (s.classes - 1) / s.dim / s.tau);
    return 1.2 * (1 + far) * max(tight, alpha(even, 0, 0));
  }

  /** Up to the first weight all classes are collapsed at the minimum, above the second none is; from 1 on no weight is
   * above. The two are one where classes are equal and have room; the first is 0 where only the last one is bounded. */
  const limitsOf = (s, all, error = 0) => {
    if (isGiven(s)) return fromGiven(s, error);
    if (crowded(s)) return [0, min(s.dim < 8 ? Infinity : frame(s, all), isLong(s) ? Infinity : descended(s))];
    const threshold = weight(exact(s, all)(0));
    return [threshold, threshold];
  };
  const limits = (s) => limitsOf(s, batches(s), GIVEN?.error);
  const collapseThreshold = (s) => limits(s)[1];

  /** The weight at whose optimum, with room for every instance, the within-class variance is v. */
  const alphaForVariance = (s, v) => weight(exact(s, batches(s))(v));

  /** Within-class variance at the minimiser, with room for every instance. */
  const optimalVariance = remembering((s) => balance(s.alpha, exact(s, batches(s))));

  /** Collapse minimises the loss if and only if tau is at least this: 0 = at every tau, Infinity = at none. */
  function criticalTemperature(s) {
    const all = batches(s);
    const [{ k, o }] = all;
    if (s.loss !== "l_spread" && all.length === 1 && !byClass(s)) {
      // alpha_c = alpha solved for r, times the views to keep whole numbers whole.
      const own = s.loss === "ssem" ? s.views : s.views - 1;
      const reach = multiplySubtract(s.alpha, own + s.views * k, own);
      const others = s.views * o * (1 + rhoOf(s) - s.alpha);
      if (reach <= 0 || k === 0) return 0;
      const logRatio = reach > others / 2 ? log1p((reach - others) / others) : log(reach / others);
      return reach >= others ? Infinity : -s.classes / (s.classes - 1) / logRatio;
    }
    const [least, most] = isGiven(s) ? [GIVEN.taus[0], GIVEN.taus.at(-1)] : crowded(s) ? [0.005, 100] : [1e-300, 1e300];
    const safe = (tau) => s.alpha > limitsOf({ ...s, tau }, all, GIVEN?.error)[1];
    if (!safe(least)) return 0;
    return safe(most) ? Infinity : edge(safe, least, most);
  }

  /** a b - c, rounded once (Dekker): 0.2 * 5 - 1 is 5.6e-17. */
  function multiplySubtract(a, b, c) {
    const upper = (x) => 134217729 * x - (134217729 * x - x);
    const [p, ah, bh] = [a * b, upper(a), upper(b)];
    return p - c + (ah * bh - p + ah * (b - bh) + (a - ah) * bh + (a - ah) * (b - bh));
  }

  /** Whether Python has to work out the thresholds, and write them into a page of their own. */
  const needsPage = (s) => !isGiven(s) && (uneven || (crowded(s) && s.dim < 8 && isLong(s)));

  /** Why no theorem speaks about a setting, or null. */
  function notCovered(s) {
    const { classes, dim } = s;
    if (dim === 1) return "Points on a line cannot spread: use at least 2 dimensions.";
    if (crowded(s) && s.loss === "l_spread") return `L_spread with ${classes} classes is covered from ${classes} dimensions on.`;
    if (needsPage(s))
      return uneven
        ? "Classes of different sizes have a page for each setting: the command below writes the one for this."
        : `${classes} classes in ${dim} dimensions take too long in a page: the command below writes one.`;
    if (s.loss !== "ssem" && s.views === 1)
      return "With one view the self-supervised term has no positive: give each instance a second view.";
    return null;
  }

  /** What a free spread is: "exact", an "estimate" for the network, or the "minimiser". */
  function basis(s) {
    if (s.loss !== "l_spread" && s.network !== "perfect") return "estimate";
    if (s.dim === Infinity || s.dim >= s.classes * s.instances - 1) return "exact";
    return "minimiser";
  }

  /** The largest free spread that there is. */
  const most = (s) => (basis(s) === "estimate" ? network(s).reliability : 1);

  /** The weight at which the expected free spread is `spread`; infinite where none does. */
  function weightFor(s, spread, all = batches(s)) {
    const kind = basis(s);
    if (spread > most(s)) return Infinity;
    if (kind === "estimate") return weight(estimated(s, all)(spread / network(s).reliability));
    const best = weight(exact(s, all)(spread));
    return kind === "minimiser" ? max(best, weight(estimated(s, all)(spread))) : best;
  }

  /** The free spread to expect. */
  const freeSpread = remembering((s) => {
    const kind = basis(s);
    if (byClass(s) && s.alpha <= limits(s)[0]) return 0;
    const guess = () => network(s).reliability * balance(s.alpha, estimated(s, batches(s)));
    if (kind === "estimate") return guess();
    return kind === "minimiser" ? min(optimalVariance(s), guess()) : optimalVariance(s);
  });

  // The free spread that counts as safe, the one to aim at, and the largest weight.
  const LARGEST = CONSTANTS.largest;
  function aims(s) {
    const beside = 1 - (s.classes - 1) / s.dim;
    const scale = s.network === "perfect" || s.dim === Infinity ? 1 : Math.sqrt(max(beside, CONSTANTS.beside));
    return { safe: CONSTANTS.safe.map((v) => v * scale), wanted: CONSTANTS.wanted * scale };
  }

  /** The safe interval of the weight at this temperature, or null: above the threshold, free spread in the range. */
  const safeWeights = remembering((s) => {
    const [least, most] = aims(s).safe;
    const low = max(weightFor(s, least), collapseThreshold(s));
    const high = min(weightFor(s, most), LARGEST);
    return low < high ? [low, high] : null;
  });

  /** The weight to start from at this temperature, or null; where the safe interval is cut, as far along the rest. */
  const recommendedWeight = remembering((s) => {
    const safe = safeWeights(s);
    if (!safe) return null;
    const [least, greatest] = safe.map((alpha) => freeSpread({ ...s, alpha }));
    const { safe: ends, wanted } = aims(s);
    const aim = least + ((wanted - ends[0]) / (ends[1] - ends[0])) * (greatest - least);
    return min(max(weightFor(s, aim), safe[0]), safe[1]);
  });

  /** The weight of plain SupCon, averaged over the anchors that meet another instance of their class; null for other
   * losses, where none does, and where it differs from class to class. */
  function plainWeight(s) {
    if (s.loss !== "supcon" || (GIVEN && GIVEN.sizes)) return null;
    const paired = batches(s).filter(({ k }) => k > 0);
    const weight = paired.reduce((sum, { k, q }) => sum + (q * (s.views - 1)) / ((k + 1) * s.views - 1), 0);
    return paired.length ? weight / paired.reduce((sum, { q }) => sum + q, 0) : null;
  }

  /** [within, between] inner products at within-class variance v. */
  function similarities(s, v) {
    const u = v / spread(s);
    return [1 - u, rhoOf(s) * u - 1 / (s.classes - 1)];
  }

  /** Values of the loss, in nats: {totalCollapse, classCollapse, optimum}. */
  const referenceLosses = remembering((s) => {
    if (uneven) return givenLosses(s);
    const all = batches(s);
    const value = (away, across) => all.reduce((mean, { k, o, q }) => mean + q * lossAt(s, k, o, away, across), 0);
    const apart = (v) => {
      const y = v / (s.tau * spread(s));
      return value(y, -logR(s) - rhoOf(s) * y);
    };
    return { totalCollapse: value(0, 0), classCollapse: apart(0), optimum: apart(optimalVariance(s)) };
  });

  /** Those that came with the page, for one temperature; null at others. More of them are known near 0 and 1. */
  function givenLosses(s) {
    const known = isGiven(s) && GIVEN.losses;
    if (!known || known.tau !== s.tau) return null;
    const [totalCollapse, classCollapse, optimum] = known.at.map((y, row) => {
      const place = (row ? Math.acos(1 - 2 * s.alpha) / Math.PI : s.alpha) * (y.length - 1);
      const i = min(floor(place), y.length - 2);
      const p = row ? (s.alpha - at(i, y)) / (at(i + 1, y) - at(i, y)) : place - i;
      return y[i] + (y[i + 1] - y[i]) * p;
    });
    return { totalCollapse, classCollapse, optimum };
  }
  const at = (i, { length }) => (1 - Math.cos((Math.PI * i) / (length - 1))) / 2; // the weight of a place

  /** The loss of an anchor whose logits fall short of its own views' by `away` in its class, `across` elsewhere. */
  function lossAt(s, k, o, away, across) {
    if (s.loss === "l_spread") {
      const supervised = (log1p(o * exp(-across)) + k * log1p(o * exp(away - across))) / (k + 1);
      return (1 - s.alpha) * supervised + s.alpha * log1p(k * exp(-away));
    }
    const logSum = log(s.views * (selfTerm(s) + k * exp(-away) + o * exp(-across)));
    return k > 0 ? (1 - s.alpha) * away + logSum : s.alpha * logSum;
  }

  /** What a loss value says, as `measure --loss-value` says it. */
  function placed(value, { totalCollapse, classCollapse, optimum }) {
    const collapses = optimum >= classCollapse * (1 - 1e-9);
    let near = 0.01 * (totalCollapse - optimum);
    if (abs(value - totalCollapse) <= near) return "Total collapse: all embeddings are equal. Stuck, not slow.";
    if (value > totalCollapse) return "Above total collapse: the first steps, or another convention of the loss.";
    if (!collapses) near = min(near, (classCollapse - optimum) / 4);
    if (abs(value - optimum) <= near)
      return collapses ? "Class collapse, and it is the optimum here." : "The optimum: as low as this loss gets.";
    if (value < optimum) return "Below the optimum: batch size, views, temperatures or the loss differ from these.";
    if (abs(value - classCollapse) <= near) return "Class collapse: each class at one point, though that is not optimal.";
    if (value > classCollapse) return "Between total and class collapse: classes are still moving apart.";
    return "Between class collapse and the optimum: instances of a class are apart.";
  }

  return {
    SettingError, placed, RECIPES: CONSTANTS.recipes, checked, notCovered, needsPage, GIVEN, isGiven, byClass, limits, limitsOf, basis, batches, merged, collapseThreshold, alphaForVariance, optimalVariance,
    criticalTemperature, weightFor, freeSpread, most, safeWeights, recommendedWeight, aims, LARGEST, plainWeight,
    similarities, referenceLosses,
  };
})();
