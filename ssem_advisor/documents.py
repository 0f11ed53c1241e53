"""Every JSON document that a command prints, as types. The schemas in `schemas/` are made of them, and a test holds
the two together: `python docs/_build/schemas.py` writes the files anew.

Each document has one `version`. Within a version fields are only added; what may be left out is `NotRequired`, and
null stands for "no such value". `Annotated` carries what JSON Schema says beside the type. Annotations are evaluated
here, not postponed: `NotRequired` would not be seen otherwise.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ssem_advisor.advice import Basis, NetworkOrigin, Purpose, State
from ssem_advisor.config.model import Kind, Origin
from ssem_advisor.lint.core import Severity
from ssem_advisor.measurement.loss_value import Place
from ssem_advisor.measurement.verdict import Name
from ssem_advisor.theory.regime import Regime


class says(dict[str, Any]):
    """Words of JSON Schema beside a type."""

    __hash__ = object.__hash__  # type: ignore[assignment]


Count = Annotated[int, says(minimum=0)]
Line = Annotated[int, says(minimum=1)]
Pair = Annotated[list[float], says(minItems=2, maxItems=2)]
Label = int | float | str | bool

# -- recommend ---------------------------------------------------------------------------------------------------------


class SettingFields(TypedDict):
    """The setting as completed."""

    classes: Annotated[int, says(minimum=2)]
    dim: Annotated[int, says(minimum=1)] | None
    temperature: float | None
    alpha: float | None
    loss: Literal["supcon", "ssem", "l_spread", "l_in"]
    views: Line
    batch_size: int | None
    sampler: Literal["random", "balanced", "full"]
    classes_per_batch: int | None
    instances_per_class: int | None
    class_counts: list[int] | None
    queue: int | None
    features: Literal["any", "non-negative"]
    self_temperature: float | None
    cross_entropy: float
    assumed: Annotated[list[str], says(description="fields that were not given")]


class NetworkShown(TypedDict):
    """Whose free spread the answer speaks of."""

    origin: NetworkOrigin
    view_reliability: float
    reliability_range: Pair | None
    directions: float | None


class KnobRange(TypedDict):
    """One knob; for alpha collapse is optimal up to the threshold, for the temperature from it on."""

    collapse_threshold: float | None
    safe: Pair | None
    recommended: float | None


class LimitsShown(TypedDict):
    """From where to where collapse is the optimum at a temperature, in alpha; null where no weight is known.

    collapse_error, error: half widths of `collapse_up_to` and of `open_above`, which lie on the safe side of them; 0
    where they are exact to rounding.
    """

    temperature: float
    collapse_up_to: float | None
    collapse_error: float
    open_above: float | None
    kind: Literal["exact", "local", "bound", "sampled"]
    error: float | None


class PointShown(TypedDict):
    """A pair (alpha, temperature) and the share of the variance that instances of one class are expected to differ in.

    spread_range: the same for the least and the most reliable network allowed for. minimum_range: of the variance of
    the loss's own minimum in this dimension, in nine of ten settings; equal ends where it is exact.
    """

    alpha: float
    temperature: float
    state: State
    free_spread: float | None
    spread_range: Pair | None
    basis: Basis | None
    within_class_variance: float | None
    optimal_variance: float | None
    minimum_range: Pair | None


class Planned(PointShown):
    """A point worth training, and why."""

    purpose: Purpose


class Predicted(TypedDict):
    """Of the recommended point."""

    free_spread: float | None
    within_class_variance: float | None
    optimal_within_class_variance: float | None
    within_similarity: float | None
    between_similarity: float | None


class PlainSupCon(TypedDict):
    """SupCon without a self-supervised term."""

    alpha_equivalent: float | None
    collapses: bool


class References(TypedDict):
    """Values of the loss at three states."""

    total_collapse: float | None
    class_collapse: float | None
    optimum: float | None


class AlternativeShown(TypedDict):
    """The answer if one thing were different."""

    change: str
    collapse_threshold: float | None
    safe: Pair | None
    recommended: float | None


class NoteShown(TypedDict):
    """Something to know: a code, its numbers, and the sentence."""

    code: str
    values: dict[str, Any]
    text: str


class Fact(TypedDict):
    """What a config says, and where."""

    name: str
    value: str
    place: str


class ConfigShown(TypedDict):
    """With --config: what was read from the file."""

    path: str
    kind: Kind
    facts: list[Fact]
    overruled: list[str]
    missing: list[str]
    odd: list[str]


class Weights(TypedDict):
    """Values in the order of `weights`; alpha: the true weight of L_self; exact: no estimate."""

    values: list[float]
    alpha: float
    learning_rate_factor: float
    exact: bool


class MixShown(TypedDict):
    """With --mix: the weights of the user's own form of the loss."""

    form: str
    formula: str
    weights: list[str]
    temperature: Annotated[float | None, says(description="at which recommended and collapse_threshold are said")]
    given: Weights | None
    recommended: Weights | None
    collapse_threshold: Weights | None
    reason: str | None
    note: str


class Recommend(TypedDict):
    """The answer to `recommend`.

    limits: at the recommended temperature, or the one the answer speaks of; given_limits: at the temperature that was
    given, null where none was.
    """

    version: Literal[2]
    setting: SettingFields
    network: NetworkShown
    alpha: KnobRange
    temperature: KnobRange
    limits: LimitsShown | None
    given_limits: LimitsShown | None
    recommended: PointShown | None
    given: PointShown | None
    plan: list[Planned]
    predicted: Predicted
    wanted_free_spread: float
    safe_free_spread: Pair
    plain_supcon: PlainSupCon
    anchors_without_positive: float
    class_thresholds: list[float | None] | None
    reference_losses: References
    alternatives: list[AlternativeShown]
    regime: Regime
    theorems: list[str]
    notes: list[NoteShown]
    config: NotRequired[ConfigShown]
    mix: NotRequired[MixShown]


class RecommendExtended(TypedDict):
    """The answer for what goes past the basic theory: a queue, two temperatures, features after a ReLU, ..."""

    version: Literal[2]
    setting: SettingFields
    collapse_up_to: float | None
    open_above: float | None
    kind: Literal["exact", "local", "bound", "sampled"]
    given: Literal["collapse", "above", "not covered"] | None
    optimal_within_class_variance: float | None
    theorems: list[str]
    config: NotRequired[ConfigShown]


# -- check -------------------------------------------------------------------------------------------------------------


class Tool(TypedDict):
    """What wrote the document."""

    name: Literal["ssem-advisor"]
    version: str


class FieldRead(TypedDict):
    """A value as read. NaN and infinity are text. path: the file, where it is another one: a base file, a group."""

    value: Any
    origin: Annotated[
        Origin,
        says(description="written in the file; concluded from another value; a default that stands only in code"),
    ]
    line: Line | None
    column: Line | None
    key: str
    path: NotRequired[str]


class Silenced(TypedDict):
    """Why a finding does not count."""

    kind: Literal["comment", "per-file-ignores", "baseline"]
    reason: str


class FindingShown(TypedDict):
    """A sentence of a rule about one place. because: the values it rests on; numbers: a weight with its safe range,
    where the facts allow it; theorem: key for `ssem-advisor explain`."""

    code: Annotated[str, {"pattern": "^SSM[0-9]{3}$"}]
    name: str
    severity: Severity
    confidence: Origin
    message: str
    help: str
    because: str
    numbers: str
    theorem: str | None
    path: str
    line: Line
    column: Line
    key: str
    run: Count | None
    fixable: bool
    fingerprint: Annotated[str, {"pattern": "^[0-9a-f]{32}$"}]
    suppressed: NotRequired[Silenced]


class RunRead(TypedDict):
    """One training run of a file. missing: the facts without which nothing can be decided."""

    kind: Kind
    dialect: str
    line: Line | None
    fields: dict[str, FieldRead]
    missing: list[str]


class FileChecked(TypedDict):
    """kind: of several runs, that of the one that matters most; fields: what all runs agree on; not_covered: why no
    theorem speaks about a run whose facts are known; doubts: why a file that looks contrastive could not be judged;
    remarks: what helps to know about a run in which nothing is wrong; witness: what names the loss; runs: only where
    there are several; error: why the file could not be read."""

    path: Annotated[str, says(description="from the working folder, with forward slashes; - is standard input")]
    kind: Kind
    fields: dict[str, FieldRead]
    missing: list[str]
    not_covered: list[str]
    doubts: list[str]
    remarks: list[str]
    witness: str
    findings: list[FindingShown]
    suppressed: list[FindingShown]
    runs: NotRequired[Annotated[list[RunRead], says(minItems=2)]]
    error: NotRequired[str | None]


class Summary(TypedDict):
    """Counts over all files; findings of a shared base file count once. text: the same as one line for people."""

    files: Count
    recognised: Count
    undecided: Count
    not_read: Count
    error: Count
    warning: Count
    note: Count
    suppressed: Count
    text: str


class Check(TypedDict):
    """The answer to `check`."""

    version: Literal[1]
    tool: Tool
    files: list[FileChecked]
    summary: Summary


# -- measure, diagnose -------------------------------------------------------------------------------------------------


class Estimated(TypedDict):
    """A value with its 95% interval."""

    value: float | None
    interval: Annotated[list[float | None], says(minItems=2, maxItems=2)]


class SpreadOfClass(TypedDict):
    """Free spread of one class."""

    label: Label
    free_spread: float | None


class SpreadShown(TypedDict):
    """Where a squared length of 1 goes; unbiased, so that a part that is 0 may come out below it.

    view_noise: null with one view an instance; confusion, free_spread: null where `missing` says why; local_free: the
    estimate that stands in for it where class means take most of the directions, else null; free_share: the one or the
    other as a share of what the common mean leaves.
    """

    common_mean: Estimated | None
    between: Estimated | None
    within: Estimated | None
    view_noise: Estimated | None
    confusion: Estimated | None
    free_spread: Estimated | None
    local_free: Estimated | None
    free_share: Estimated | None
    view_reliability: Estimated | None
    directions: Estimated | None
    missing: str
    classes_left_out: Count
    free_spread_by_class: list[SpreadOfClass]


class StructureShown(TypedDict):
    """Share of instances whose class is told rightly by the nearest class mean and by a vote of the nearest neighbours.

    gap: the second less the first.
    """

    by_mean: float
    by_neighbours: float
    gap: Estimated


class VarianceOfClass(TypedDict):
    """Within-class variance of one class."""

    label: Label
    within_class_variance: float | None


class SSEMShown(TypedDict):
    """The nearest SSEM configuration."""

    within_similarity: float
    between_similarity: float
    delta: float
    residual: Annotated[float, says(minimum=0)]


class Uniformity(TypedDict):
    """Over so many random pairs, drawn with the seed."""

    value: float
    pairs: int
    seed: int


class Theory(TypedDict):
    """What theory expects beside what was measured. alpha: null for plain SupCon; optimum: null where every class has
    its own threshold; network: null with one view; share_of_optimum: null where the optimum is 0."""

    alpha: float | None
    temperature: float
    threshold: float | None
    optimum: float | None
    finite_dimension: float | None
    network: float | None
    measured: float
    share_of_optimum: float | None
    where_the_variance_went: str


class LossPlaced(TypedDict):
    """A loss value among its references. scale: temperature / base temperature, contained in all values; position: 0
    at total collapse, 1 at the optimum."""

    value: float
    total_collapse: float | None
    class_collapse: float | None
    optimum: float | None
    scale: float
    position: float | None
    verdict: Place
    meaning: str
    remedy: str


class MeasureEmbeddings(TypedDict):
    """The answer to `measure` about embeddings; null where a statistic is undefined."""

    version: Literal[2]
    verdict: Name
    meaning: str
    remedy: str
    rows: Annotated[int, says(minimum=4)]
    instances: Annotated[int, says(minimum=4)]
    classes: Annotated[int, says(minimum=2)]
    dim: Line
    within_class_variance: float
    between_class_variance: float
    total_variance: float
    spread: SpreadShown
    structure: StructureShown | None
    intervals: Annotated[dict[str, Pair], says(description="95% bootstrap intervals by statistic")]
    per_class: list[VarianceOfClass]
    nc1: float | None
    class_distance_variance: float | None
    etf_deviation: float | None
    ssem: SSEMShown
    effective_rank: float | None
    effective_dimension: float | None
    view_reliability: float | None
    alignment: float | None
    uniformity: Uniformity
    theory: Annotated[Theory | None, says(description="null without a setting that theory covers")]
    threads: Annotated[int | None, says(description="of numpy's products; null where nothing says it")]
    notes: list[str]
    loss_value: NotRequired[LossPlaced]


class MeasureLoss(TypedDict):
    """The answer to `measure` about a loss value."""

    version: Literal[2]
    loss_value: LossPlaced


class ReasonShown(TypedDict):
    """What one source of facts says."""

    source: str
    text: str


class Diagnose(TypedDict):
    """The answer to `diagnose`."""

    version: Literal[1]
    verdict: str
    reasons: list[ReasonShown]
    change: Annotated[list[str], says(description="what to change, the first thing first")]
    missing: Annotated[list[str], says(description="what would say more")]
    loss_value: LossPlaced | None
    config: NotRequired[ConfigShown]


# -- explain, rule, datasets -------------------------------------------------------------------------------------------


class TheoremShown(TypedDict):
    """A statement of the registry. kind "estimate" is no theorem; proof: a page of the documentation."""

    key: str
    title: str
    kind: Literal["theorem", "estimate"]
    statement: str
    assumptions: list[str]
    source: str
    reference: str | None
    proof: str


class AssumptionHere(TypedDict):
    """Whether an assumption is met."""

    text: str
    holds: Annotated[bool | None, says(description="null: the setting does not say")]


class Here(TypedDict):
    """A theorem with the numbers of a setting put in."""

    assumptions: list[AssumptionHere]
    values: dict[str, float | None] | None
    value: float | None


class Explain(TheoremShown):
    """The answer to `explain KEY`."""

    version: Literal[1]
    formula: str
    here: NotRequired[Here]


class ExplainAll(TypedDict):
    """The answer to `explain`."""

    version: Literal[1]
    theorems: list[TheoremShown]


class RuleShown(TypedDict):
    """A rule and its page in Markdown."""

    code: str
    name: str
    severity: Severity
    fixable: bool
    theorem: str | None
    summary: str
    page: str


class Rules(TypedDict):
    """The answer to `rule`."""

    version: Literal[1]
    rules: list[RuleShown]


class DatasetShown(TypedDict):
    """A data set that --dataset knows. instances_per_class: null where classes differ, which class_counts lists."""

    name: str
    classes: int
    instances_per_class: int | None
    class_counts: list[int] | None
    source: str
    note: str
    aliases: list[str]


class Datasets(TypedDict):
    """The answer to `datasets`."""

    version: Literal[1]
    datasets: list[DatasetShown]


# -- validate ----------------------------------------------------------------------------------------------------------

Outcome = Literal["confirmed", "refuted", "undecided", "not tested", "not trained"]
Ended = Literal["complete", "budget", "interrupted"]


class OverSeeds(TypedDict):
    """Mean over seeds and its 95 % t-interval; null ends where one seed gives no interval."""

    mean: float
    low: float | None
    high: float | None
    seeds: Line


class CheckOfClaim(OverSeeds):
    """One number that a claim rests on. control: it belongs to the negative control."""

    curve: str
    what: str
    verdict: Outcome
    control: NotRequired[Literal[True]]


class ClaimShown(TypedDict):
    """control: the negative control, which must fail; control_failed: whether it did, null: nothing to test."""

    number: Annotated[int, says(minimum=1, maximum=5)]
    title: str
    verdict: Outcome
    summary: str
    control: str
    control_failed: bool | None
    checks: list[CheckOfClaim]


class CurveShown(TypedDict):
    """The predicted threshold and free spread of one problem at one temperature; class_openings: unequal classes."""

    problem: str
    temperature: float
    threshold: NotRequired[float | None]
    read_off: NotRequired[list[float]]
    alphas: NotRequired[list[float]]
    optimum: NotRequired[list[float]]
    typical: NotRequired[list[float] | None]
    class_openings: NotRequired[list[float | None]]
    class_counts: NotRequired[list[int]]


class PointOfCurve(TypedDict):
    """Means over seeds beside the predictions of free spread: of the theorem, of a typical network, and for the view
    reliability and directions that were measured."""

    problem: str
    temperature: float
    alpha: float
    recommended: bool
    variance: OverSeeds
    own_variance: OverSeeds
    view_noise: OverSeeds
    reliability: OverSeeds
    confusion: NotRequired[OverSeeds]
    free_spread: NotRequired[OverSeeds]
    effective_dim: NotRequired[OverSeeds]
    mean: NotRequired[OverSeeds]
    probe_fine: NotRequired[OverSeeds]
    probe_coarse: NotRequired[OverSeeds]
    probe_shuffled: NotRequired[OverSeeds]
    optimum: float | None
    typical: float | None
    estimate: OverSeeds | None
    per_class: NotRequired[list[float]]
    free_per_class: NotRequired[list[float]]


class RunRecorded(TypedDict):
    """One trained model; what was not measured is left out."""

    suite: str
    problem: str
    alpha: float
    temperature: float
    seed: int
    recommended: bool
    setting: dict[str, Any]
    variance: float
    reliability: float
    seconds: float
    loss_value: NotRequired[float]
    losses: NotRequired[list[float]]
    steps: NotRequired[int]
    confusion: NotRequired[float]
    free_spread: NotRequired[float]
    effective_dim: NotRequired[float]
    mean: NotRequired[float]
    per_class: NotRequired[list[float]]
    free_per_class: NotRequired[list[float]]
    probe_coarse: NotRequired[float]
    probe_fine: NotRequired[float]
    probe_shuffled: NotRequired[float]
    residual: NotRequired[float]
    processes: NotRequired[int]
    view: NotRequired[dict[str, Any]]


class TasksDone(TypedDict):
    """Of one suite."""

    planned: Count
    done: Count


class Suite(TypedDict):
    """What a study reports of one suite."""

    suite: str
    protocol: dict[str, Any]
    verdict: Outcome
    claims: Annotated[list[ClaimShown], says(minItems=5, maxItems=5)]
    tasks: TasksDone
    stopped_early: bool
    curves: list[CurveShown]
    points: list[PointOfCurve]
    runs: list[RunRecorded]


class Validate(TypedDict):
    """The answer to `validate`. exit_code: 0 confirmed, 1 refuted, 3 undecided or not trained."""

    version: Literal[1]
    verdict: Outcome
    exit_code: Literal[0, 1, 3]
    ended: Ended
    seconds: Annotated[float, says(minimum=0)]
    device: str
    environment: dict[str, Any]
    suites: Annotated[list[Suite], says(minItems=1)]


DOCUMENTS: dict[str, tuple[type, ...]] = {
    "recommend": (Recommend, RecommendExtended),
    "check": (Check,),
    "measure": (MeasureEmbeddings, MeasureLoss),
    "diagnose": (Diagnose,),
    "explain": (Explain, ExplainAll),
    "rule": (Rules,),
    "datasets": (Datasets,),
    "validate": (Validate,),
}
