//! The catalogue of diagnostics. The doc comment of each entry is the page that `kale-rs explain ID` prints.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Severity;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal, $severity:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant),* }

        impl Code {
            /// All codes, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// Stable kebab-case id.
            pub fn id(self) -> &'static str {
                match self { $(Code::$variant => $id),* }
            }

            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity),* }
            }

            /// The page of `explain`, as Markdown.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc, "\n"),+)),* }
            }
        }
    };
}

codes! {
    // Reading the notebook.

    /// The file is not JSON, or not a Jupyter notebook.
    ///
    /// Open it in JupyterLab and save it again, or check that the path is the one you meant.
    NotANotebook = "not-a-notebook", Error;
    /// The notebook uses nbformat 3 or older, from IPython before 2015.
    ///
    /// Upgrade it once: `jupyter nbconvert --to notebook --nbformat 4 --inplace NOTEBOOK`.
    OldNotebookFormat = "old-notebook-format", Error;
    /// The notebook's kernel language is not Python.
    NotPython = "not-python", Error;
    /// There is no code cell, so there is nothing to run.
    NoCode = "no-code", Error;
    /// Notebook metadata that is ours (or Kale's) has a value of the wrong kind. It is ignored.
    BadMetadata = "bad-metadata", Warning;

    // Syntax.

    /// A cell is not valid Python (with IPython's additions).
    SyntaxError = "syntax-error", Error;
    /// A cell uses syntax that the notebook's Python does not have.
    UnsupportedSyntax = "unsupported-syntax", Error;
    /// Brackets or blocks are nested more deeply than CPython itself allows.
    NestingTooDeep = "nesting-too-deep", Error;
    /// A cell or line that we cannot see into: `%%bash`, `!command`, or a magic we do not know.
    ///
    /// It is kept as it is. It may read and write files, so it is ordered with every other step that does.
    OpaqueCode = "opaque-code", Info;
    /// A line that controls pipelines (`%pipeline run`, `kale_rs.run(...)`) is no part of one, so it is left out.
    ControlLine = "control-line", Info;

    // Tags and structure.

    /// A tag of ours is malformed, or contradicts another of the same cell.
    BadTag = "bad-tag", Error;
    /// A `prev:` names no step of the notebook.
    UnknownPrev = "unknown-prev", Error;
    /// `prev:` edges form a circle, or contradict the order of the notebook.
    PrevOrder = "prev-order", Error;
    /// The cells of a step cannot run together: between them lies another step that needs the first part and that
    /// the second part needs.
    ///
    /// Give the later cells a step name of their own.
    StepCycle = "step-cycle", Error;
    /// A step reads what another step makes, and no `prev:` says so. The edge is added.
    MissingPrev = "missing-prev", Warning;
    /// Cells before the first tag form a step of their own, `setup`.
    SetupStep = "setup-step", Info;
    /// A cell tagged `imports`, `functions` or `pipeline-parameters` does more than define names, so it runs once as
    /// a step of its own instead of being repeated in every step.
    ImpurePrelude = "impure-prelude", Info;
    /// A name is only bound in a cell that is tagged `skip`.
    BoundInSkippedCell = "bound-in-skipped-cell", Error;

    // Parameters and metrics.

    /// A statement of the parameters cell is not a parameter, because its value is not a literal.
    NotAParameter = "not-a-parameter", Info;
    /// A default does not fit the annotation of its parameter.
    ParameterDefault = "parameter-default", Error;
    /// A parameter is assigned again later in the notebook; from there on the later value is used, as in the notebook.
    ParameterReassigned = "parameter-reassigned", Info;
    /// A value given for a parameter is of the wrong type.
    ParameterValue = "parameter-value", Error;
    /// A value was given for a parameter that the notebook does not have.
    UnknownParameter = "unknown-parameter", Error;
    /// A statement of a metrics cell is no metric: use `print(name)`, a bare name, or an expression.
    NotAMetric = "not-a-metric", Warning;
    /// Two metrics have one name; the later one gets a suffix.
    DuplicateMetric = "duplicate-metric", Warning;
    /// A metric's value is not a finite number.
    MetricValue = "metric-value", Warning;

    // Names and values.

    /// A name is read that nothing before it binds. The notebook, too, would stop with a `NameError`.
    UndefinedName = "undefined-name", Warning;
    /// A name is read after `del`.
    DeletedName = "deleted-name", Error;
    /// Code is executed that the compiler cannot read: `exec`, `eval`, `globals()[...] = ...`.
    ///
    /// Everything such code could touch has to stay in one step.
    DynamicCode = "dynamic-code", Error;
    /// A value cannot travel between processes (an open file, a generator, a lock, a database connection), so the
    /// steps that share it are joined.
    JoinedUnshippable = "joined-unshippable", Info;
    /// A value cannot travel between processes, and joining the steps would swallow a boundary that you tagged.
    UnshippableValue = "unshippable-value", Error;
    /// Two names share one buffer (a view) that a later step changes in place, which copies cannot reproduce.
    SharedBuffer = "shared-buffer", Error;
    /// A change of process-wide state (working directory, environment, options) that later steps see cannot be
    /// repeated there.
    ProcessState = "process-state", Error;
    /// IPython's history (`_`, `Out[3]`, `In`) does not exist in a pipeline.
    History = "ipython-history", Error;
    /// The cell asks the user for input, and a pipeline has nobody to ask.
    InteractiveInput = "interactive-input", Error;
    /// Random numbers are drawn without a seed: two runs of the notebook differ, so runs of the pipeline do too.
    UnseededRandomness = "unseeded-randomness", Info;
    /// A path is not known before the run.
    UnknownPath = "unknown-path", Info;

    // Emitting.

    /// The emitted pipeline or one of its steps is near or over a size limit of Kubernetes or KFP.
    TooLarge = "too-large", Error;
    /// Something the notebook asks for does not exist in the target and is left out.
    NotInTarget = "not-in-target", Warning;
    /// A module is imported that is not installed here, so its version is not known.
    UnknownRequirement = "unknown-requirement", Warning;

    // Running.

    /// A step's code raised an exception.
    StepFailed = "step-failed", Error;
    /// A step's process ended without a result: killed, out of memory, or `exit()`.
    StepDied = "step-died", Error;
    /// A step took longer than its `timeout:`.
    StepTimedOut = "step-timed-out", Error;
    /// A value could not be stored.
    ValueNotStored = "value-not-stored", Error;
    /// A stored value could not be read back.
    ValueNotLoaded = "value-not-loaded", Error;
    /// A step needs a secret whose environment variable is not set.
    MissingSecret = "missing-secret", Error;
    /// The disk is full, or the store cannot be written.
    StoreUnwritable = "store-unwritable", Error;
    /// The store was written by a newer version of kale_rs.
    NewerStore = "newer-store", Error;
    /// The store has no run or step of that name, or several that fit.
    UnknownRun = "unknown-run", Error;
    /// Another process is executing the run.
    RunBusy = "run-busy", Error;
    /// A stored value is missing, or is not what was stored.
    StoreDamaged = "store-damaged", Error;
    /// A step cannot start: its Python, or a module it needs, is missing.
    StepNotStarted = "step-not-started", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Code {
    type Err = String;
    fn from_str(id: &str) -> Result<Self, String> {
        Code::ALL.iter().copied().find(|code| code.id() == id).ok_or_else(|| format!("no diagnostic is called `{id}`"))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
