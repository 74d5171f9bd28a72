"""Allowed words and defaults of options, for the parser, the model reader, numerics and docs.

Nothing is imported here, so that `boldglm --help` answers at once.
"""

# Levels of a BIDS Stats Model, from the lowest to the highest.
LEVELS = ("run", "session", "subject", "dataset")
# Levels of the command line that read BOLD series, and those that start from finished results.
BOLD_COMMANDS = ("participant", "run")
HIGHER_COMMANDS = {
    "session": ("session",),
    "subject": ("subject",),
    "group": ("dataset",),
    "dataset": ("dataset",),
}
COMMANDS = (*BOLD_COMMANDS, *HIGHER_COMMANDS)

# The hemodynamic response.
HRF_MODELS = (
    "spm",
    "spm + derivative",
    "spm + derivative + dispersion",
    "glover",
    "glover + derivative",
    "glover + derivative + dispersion",
    "fir",
    "textbook",
)
HRF_FAMILIES = ("spm", "glover", "fir", "textbook")
HRF_MODEL = "spm"
FIR_SPAN = 20.0  # seconds after an event that the default FIR bins cover
SLICE_TIME_REFERENCE = 0.5  # fraction of the acquisition of a volume at which it is modeled
SLICE_TIMES = ("reference", "model")  # one time for all slices, or each at its own
REPETITION_TIMES = ("sidecar", "header")  # which one holds, or a number of seconds
HIGH_PASS = 128.0  # seconds; cut-off period of the cosine drift
DRIFTS = ("cosine", "polynomial", "none")  # polynomial:3 has a chosen order
DRIFT = "cosine"
SECONDS_PER_ORDER = 150.0  # each adds an order to a polynomial drift whose order is not given
MOST_PAIRED = 5  # conditions up to which the default model compares every pair

# The fit.
NOISE_MODELS = ("auto", "ols", "ar1", "ar2", "ar3", "ar4", "ar5", "ar6", "arma11", "nilearn-ar1")
NOISE_MODEL = "auto"
SIGNAL_SCALINGS = ("percent", "none")
SIGNAL_SCALING = "percent"
SMOOTHING_TYPES = ("iso", "isoblurto")
SMOOTHING_TYPE = "iso"
MISSING_POLICIES = ("drop", "error", "zero")
MISSING_POLICY = "drop"
TRIAL_TYPE = "trial_type"  # the column of the events that names conditions
MISSING_TIMES = ("row", "run", "error")  # what a row without onset or duration excludes
MISSING_TIMES_POLICY = "row"
BAD_RUN_POLICIES = ("exclude", "stop")  # what to do with a run that cannot be analyzed
BAD_RUN_POLICY = "exclude"
SINGLE_TRIALS = ("lsa", "lss")

# Maps: of contrasts, and of a run as a whole.
CORRECTED_MAPS = ("qFDR", "pFWE", "pFWEextent", "pFWEmass", "pFWEtfce")
CONTRAST_MAPS = ("effect", "variance", "t", "F", "z", "p", *CORRECTED_MAPS)
# Written by default: runs have no maps of p, which have the same information as those of z.
DEFAULT_MAPS = ("effect", "variance", "t", "F", "z", "p")
DEFAULT_RUN_MAPS = ("effect", "variance", "t", "F", "z")
EXPORTED_MAPS = ("effect", "variance", "t", "F", "z")  # of the group, for NeuroVault
NEEDED_ABOVE = ("effect", "variance")  # maps of t contrasts that higher levels read
RUN_MAPS = (
    *("rsquared", "taskrsquared", "tsnr", "whiteness", "dof", "ar"),
    *("residuals", "fitted"),
)

# Higher levels.
ESTIMATORS = ("ols", "mixed", "fixed")
ESTIMATOR = "ols"
COVERAGE = {"session": 1.0, "subject": 1.0, "dataset": 0.9}  # share of inputs that a voxel needs
SIDES = ("two", "one")  # of tables, q values and permutations of t contrasts
SIDE = "two"
CLUSTER_P = 0.001  # cluster-forming threshold, in each tail that is tested
PERMUTATION_SEED = 20261  # fixed, so that a command always gives the same p values

# Keys of `Software: {"boldglm": {...}}` in a model file.
FD_THRESHOLD = "FramewiseDisplacementThreshold"
DUMMY_SCANS = "DummyScans"
TRIAL_TYPE_COLUMN = "TrialTypeColumn"
DRIFT_MODEL = "Drift"  # polynomial or polynomial:ORDER
LITERAL_CONDITIONS = "LiteralConditions"  # conditions with * or ? are names, not patterns
RUN_KEYS = (
    *("NoiseModel", "SignalScaling", "SmoothingFWHM", "SmoothingType"),
    *("Orthogonalize", "Modulators"),
    *(FD_THRESHOLD, DUMMY_SCANS, TRIAL_TYPE_COLUMN, LITERAL_CONDITIONS, DRIFT_MODEL),
)
VARIANCE_GROUPS = "VarianceGroups"
BLOCKS = "ExchangeabilityBlocks"
HIGHER_LEVEL_KEYS = (
    *("Estimator", "Coverage", "SmoothingFWHM", "Permutations", "Sides", "ClusterP", "Tfce"),
    *(VARIANCE_GROUPS, BLOCKS),
)

# nipype's plugins that run workflows.
NIPYPE_PLUGINS = ("Linear", "MultiProc", "SLURM", "SLURMGraph", "SGE", "PBS")

# Participants of the dataset without results, when a group is tested.
MISSING_PARTICIPANTS = ("exclude", "error")

# The power of a plan.
EFFECT_UNITS = ("map", "peak")  # of the effect: as in effect maps, or of the peak of the response
EFFECT_UNIT = "map"
POWER_ALPHAS = (0.05, 0.001)  # two-sided, uncorrected
POWER_TARGETS = (0.8, 0.9)  # for which the number of participants is told
POWER_PARTICIPANTS = (10, 15, 20, 30, 40, 60)
SIMULATIONS = 2000
POWER_SEED = 20262  # fixed, so that a command always gives the same numbers
