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
    ///
    /// Set the kernel of the notebook to Python (Kernel, Change Kernel), or check that the path is the one you meant.
    NotPython = "not-python", Error;
    /// There is no code cell, so there is nothing to run.
    ///
    /// Cells tagged `skip`, Markdown and raw cells do not count.
    NoCode = "no-code", Error;
    /// Notebook metadata that is ours (or Kale's) has a value of the wrong kind. It is ignored.
    ///
    /// The message names the key and what it expects. Correct it in the notebook's metadata, or delete it.
    BadMetadata = "bad-metadata", Warning;

    // Syntax.

    /// A cell is not valid Python (with IPython's additions).
    ///
    /// The place is where the parser gave up; a bracket or quote that was left open is often a line or more before it.
    SyntaxError = "syntax-error", Error;
    /// A cell uses syntax that the notebook's Python does not have.
    ///
    /// The notebook is compiled for the Python of its kernel. Use a newer kernel, name one with `--python`, or write it
    /// in the older way.
    UnsupportedSyntax = "unsupported-syntax", Error;
    /// Brackets or blocks are nested more deeply than CPython itself allows.
    ///
    /// Build the value in a loop, or read it from a file.
    NestingTooDeep = "nesting-too-deep", Error;
    /// A cell or line that we cannot see into: `%%bash`, `!command`, or a magic we do not know.
    ///
    /// It is kept as it is. It may read and write files, so it is ordered with every other step that does.
    OpaqueCode = "opaque-code", Info;
    /// A line that controls pipelines (`%pipeline run`, `kale_rs.run(...)`) is no part of one, so it is left out.
    ///
    /// Keep such lines: they do their work in the notebook.
    ControlLine = "control-line", Info;

    // Tags and structure.

    /// A tag of ours is malformed, or contradicts another of the same cell.
    ///
    /// The message says which part of the tag is wrong and what it may be. Tags that are not ours are never looked at.
    BadTag = "bad-tag", Error;
    /// A `# kale:` comment, or an option of `%%pipeline` that says the same, cannot be understood or concerns nothing.
    ///
    /// Pragmas tell the compiler what it cannot see: `# kale: pure load`, `# kale: reads file:data.csv`,
    /// `# kale: independent`. One that is misspelt would silently be without effect.
    BadPragma = "bad-pragma", Error;
    /// A tag is none of ours, but nearly: `stp:load`, `Skip`, `prev load`, `pipeline-parameter`.
    ///
    /// It has no effect as it is. Correct its spelling (`kale-rs check --fix` does), or call it something else. Tags that
    /// resemble none of ours belong to other tools and are never looked at.
    UnknownTag = "unknown-tag", Warning;
    /// A cell stands for another notebook (`notebook:NAME`) that cannot be put in its place.
    ///
    /// The cell's metadata has the path, `notebook_path`, from this notebook's folder. The cell itself holds no code, and
    /// the other notebook refers to none in its turn.
    SubNotebook = "sub-notebook", Error;
    /// A `prev:` names no step of the notebook.
    ///
    /// Correct the spelling, or tag the cell that is meant with `step:NAME`.
    UnknownPrev = "unknown-prev", Error;
    /// `prev:` edges form a circle, or contradict the order of the notebook.
    ///
    /// A step can only wait for steps that begin before it. Remove the `prev:`, or move the cell.
    PrevOrder = "prev-order", Error;
    /// The cells of a step cannot run together: between them lies another step that needs the first part and that
    /// the second part needs.
    ///
    /// Give the later cells a step name of their own.
    StepCycle = "step-cycle", Error;
    /// A step reads what another step makes, and no `prev:` says so. The edge is added.
    ///
    /// Nothing has to be done. Tag the reading step `prev:NAME` to say that the order is intended, and the warning goes
    /// away.
    MissingPrev = "missing-prev", Warning;
    /// Cells before the first tag form a step of their own, `setup`.
    ///
    /// Everything that comes later runs after it. Tag such cells `imports` or `functions` when they only define things,
    /// `skip` when the pipeline does not need them, or `step:NAME` to give the step a name.
    SetupStep = "setup-step", Info;
    /// A cell tagged `imports`, `functions` or `pipeline-parameters` does more than define names, so it runs once as
    /// a step of its own instead of being repeated in every step.
    ///
    /// Definitions are cheap to repeat and travel as source; work is not. Move what does work to a cell with a `step:`
    /// tag.
    ImpurePrelude = "impure-prelude", Info;
    /// A name is only bound in a cell that is tagged `skip`.
    ///
    /// Take the `skip` away, or move the assignment to a cell that is part of the pipeline.
    BoundInSkippedCell = "bound-in-skipped-cell", Error;

    // Parameters and metrics.

    /// A statement of the parameters cell is not a parameter, because its value is not a literal.
    ///
    /// It runs with the parameters and can use them, but a run cannot set it. Literals are numbers, texts, booleans,
    /// `None`, and lists and dicts of these.
    NotAParameter = "not-a-parameter", Info;
    /// A default does not fit the annotation of its parameter.
    ///
    /// Correct the annotation or the value: `rate: float = 0.1`.
    ParameterDefault = "parameter-default", Error;
    /// A parameter is assigned again later in the notebook; from there on the later value is used, as in the notebook.
    ///
    /// A run's value replaces only the literal in the parameters cell. If the later assignment is meant to be the
    /// default, move it there.
    ParameterReassigned = "parameter-reassigned", Info;
    /// A value given for a parameter is of the wrong type.
    ///
    /// The type is that of the annotation, else that of the default. Lists and dicts are written as JSON: `-p
    /// 'sizes=[1, 2]'`.
    ParameterValue = "parameter-value", Error;
    /// A value was given for a parameter that the notebook does not have.
    ///
    /// Parameters are the assignments of literals in cells tagged `pipeline-parameters`. `kale-rs graph NOTEBOOK` lists
    /// them.
    UnknownParameter = "unknown-parameter", Error;
    /// A statement of a metrics cell is no metric: use `print(name)`, a bare name, or an expression.
    ///
    /// The statement runs all the same.
    NotAMetric = "not-a-metric", Warning;
    /// Two metrics have one name; the later one gets a suffix.
    ///
    /// Give one of the two variables, or one of the labels in `print("label", value)`, another name.
    DuplicateMetric = "duplicate-metric", Warning;
    /// A metric's value is not a finite number.
    ///
    /// The run goes on. What is no number at all is left out; `nan` and infinity are recorded as they are. Look at how
    /// the value came to be: often an empty set, or a loss that diverged.
    MetricValue = "metric-value", Warning;

    // Names and values.

    /// A name is read that nothing before it binds. The notebook, too, would stop with a `NameError`.
    ///
    /// It is a warning because the line may never be reached. Bind the name in an earlier cell, or correct its
    /// spelling.
    UndefinedName = "undefined-name", Warning;
    /// The names that `from module import *` binds cannot be told without executing the module.
    ///
    /// They are read from the module's source: from its `__all__`, else from what its top level binds. That fails when
    /// the module is not installed here, or computes what it exports. Import the names that you use: `from module import
    /// a, b`.
    UnreadableStar = "unreadable-star", Error;
    /// A name is read after `del`.
    ///
    /// Remove the `del`, or bind the name again before it is read.
    DeletedName = "deleted-name", Error;
    /// Code is executed that the compiler cannot read: `exec`, `eval`, `globals()[...] = ...`.
    ///
    /// Everything such code could touch has to stay in one step.
    DynamicCode = "dynamic-code", Error;
    /// A value cannot travel between processes (an open file, a generator, a lock, a database connection), so the
    /// steps that share it are joined.
    ///
    /// To keep the steps apart, make the value in each of them: open the file where it is read, connect where the query
    /// is.
    JoinedUnshippable = "joined-unshippable", Info;
    /// A value cannot travel between processes, and joining the steps would swallow a boundary that you tagged.
    ///
    /// Make the value in each step that needs it (open the file where it is read), pass something that can be pickled
    /// instead (a list of a generator's items), or give the cells one step name.
    UnshippableValue = "unshippable-value", Error;
    /// Two names share one buffer (a view) that a later step changes in place, which copies cannot reproduce.
    ///
    /// Take a copy where the view is made (`x[:10].copy()`), or put the cells into one step.
    SharedBuffer = "shared-buffer", Error;
    /// A change of process-wide state (working directory, environment, options) that later steps see cannot be
    /// repeated there.
    ///
    /// Put the change and what depends on it into one step, or repeat the change in each step that needs it.
    ProcessState = "process-state", Error;
    /// IPython's history (`_`, `Out[3]`, `In`) does not exist in a pipeline.
    ///
    /// Give the value a name, and use the name.
    History = "ipython-history", Error;
    /// The cell asks the user for input, and a pipeline has nobody to ask.
    ///
    /// Make it a parameter: `answer = "yes"` in a cell tagged `pipeline-parameters`, and `-p answer=no` for a run.
    InteractiveInput = "interactive-input", Error;
    /// Random numbers are drawn without a seed: two runs of the notebook differ, so runs of the pipeline do too.
    ///
    /// Nothing is wrong with the pipeline. To make runs repeatable, seed the generator before it is used
    /// (`random.seed(0)`, `numpy.random.seed(0)`), or give the model its `random_state=`.
    UnseededRandomness = "unseeded-randomness", Info;
    /// A path is not known before the run.
    ///
    /// Steps that read or write files are then kept in the notebook's order where they could touch the same file. A
    /// path that is a literal, or made of parameters and literals, lets them run at the same time.
    UnknownPath = "unknown-path", Info;

    // Emitting.

    /// The emitted pipeline or one of its steps is near or over a size limit of Kubernetes or KFP.
    ///
    /// Large cells are the usual reason: literal data belongs into a file. `--allow-oversize` writes the pipeline
    /// anyway, and the cluster may refuse it.
    TooLarge = "too-large", Error;
    /// A value that every cluster refuses: a name, a label, an image, a path, what a run gives a parameter.
    ///
    /// It comes from the notebook's metadata, from an overlay or from the command line, and the message names it. What
    /// stands in a tag is told at the tag.
    ClusterValue = "cluster-value", Error;
    /// Something the notebook asks for does not exist in the target and is left out.
    ///
    /// Locally it works as written; the message says what the target does instead.
    NotInTarget = "not-in-target", Warning;
    /// Katib would refuse this sweep, or its trials would never come to a result.
    ///
    /// Its admission webhook has rules for counts, names and ranges, and the engine of each algorithm has more of them,
    /// which it tells only when the Experiment has begun. The message says which one is broken.
    KatibRefuses = "katib-refuses", Error;
    /// Katib does something otherwise than what is asked, or not at all.
    ///
    /// The sweep runs, and a sweep on this machine does as it is told: the engines that Katib has for its algorithms
    /// differ in what they know of ranges, steps, seeds and time.
    KatibDiffers = "katib-differs", Warning;
    /// KServe would refuse this service, or it would never become ready.
    ///
    /// Its admission webhook has rules for replicas, canaries and autoscaling, and a runtime that has other versions than
    /// the model was made with fails only when it loads it. The message says which rule is broken.
    KserveRefuses = "kserve-refuses", Error;
    /// KServe does something otherwise than what is asked.
    ///
    /// The service runs; what differs is in the message.
    KserveDiffers = "kserve-differs", Warning;
    /// A module is imported that is not installed here, so its version is not known.
    ///
    /// A step on a cluster installs what it imports in the version that is installed here. Install the package, or
    /// compile with `--python` for an interpreter that has it.
    UnknownRequirement = "unknown-requirement", Warning;
    /// A step needs a package that is installed from a folder of this machine, which no package index has.
    ///
    /// Its Python modules travel with the step like those beside the notebook. What is compiled, and files that its
    /// modules do not lie beside, stay behind: publish the package, or put it into the step's image.
    LocalRequirement = "local-requirement", Info;

    // Running.

    /// A step's code raised an exception.
    ///
    /// The place is in your notebook. `kale-rs logs RUN STEP` has the traceback. After mending the cell, `kale-rs run`
    /// goes on from there: finished steps are not run again.
    StepFailed = "step-failed", Error;
    /// A step's process ended without a result: killed, out of memory, or `exit()`.
    ///
    /// Without a message it is most often memory: `kale-rs show RUN` has each step's peak.
    StepDied = "step-died", Error;
    /// A step took longer than its `timeout:`.
    ///
    /// Allow more with `timeout:SECONDS`, or look with `kale-rs logs RUN STEP` at how far it came.
    StepTimedOut = "step-timed-out", Error;
    /// A value could not be stored.
    ///
    /// What leaves a step is pickled. Keep the value inside the step, or pass on something that can be pickled.
    ValueNotStored = "value-not-stored", Error;
    /// A stored value could not be read back.
    ///
    /// Its class, or a package it needs, is missing or differs in the step that reads it.
    ValueNotLoaded = "value-not-loaded", Error;
    /// A step needs a secret whose environment variable is not set.
    ///
    /// Set the variable that the tag `secret:NAME:KEY:ENV` names before the run: `ENV=... kale-rs run NOTEBOOK`.
    MissingSecret = "missing-secret", Error;
    /// A step asks for a GPU (`gpu:`), and the machine shows none. The run goes on without.
    ///
    /// A GPU is found by the device that its driver makes (`/dev/nvidiactl`, `/dev/kfd`). On a cluster the tag sees to it
    /// that the step gets one.
    NoGpu = "no-gpu", Warning;
    /// The disk is full, or the store cannot be written.
    ///
    /// Make room, or make `.kale_rs/` beside the notebook writable.
    StoreUnwritable = "store-unwritable", Error;
    /// The store was written by a newer version of kale_rs.
    ///
    /// Update kale_rs, or move `.kale_rs/` away: the next run makes a new one, and runs every step again.
    NewerStore = "newer-store", Error;
    /// The store has no run or step of that name, or several that fit.
    ///
    /// `kale-rs runs` lists the runs. `last` is the newest, and the first characters of an id are enough.
    UnknownRun = "unknown-run", Error;
    /// Another process is executing the run.
    ///
    /// Watch it with `kale-rs logs RUN -f`, or stop it with `kale-rs cancel RUN`.
    RunBusy = "run-busy", Error;
    /// The engine of a run has ended before the run did: it was killed, or the store could take no more from it.
    ///
    /// Nothing that was finished is lost. See to what the message names (a full disk, the machine's memory), then
    /// `kale-rs resume RUN` goes on where it stopped.
    EngineDied = "engine-died", Error;
    /// A cluster does not take the run, or cannot carry it out.
    ///
    /// The message has its words. `kale-rs context test` says what works of the context and what does not; then
    /// `kale-rs resume RUN` tries again.
    ClusterRefused = "cluster-refused", Error;
    /// The cluster that carries the run out does not answer, or has not said whether it has begun. The run goes on there.
    ///
    /// It is asked again until it answers, for a day at most (`KALE_RS_CLUSTER_PATIENCE`, such as `90` seconds or `2h`);
    /// whoever follows the run may leave meanwhile. `kale-rs context test` says what is in the way; `kale-rs resume RUN`
    /// follows a run again that was left, and never starts a second one.
    ClusterUnreachable = "cluster-unreachable", Warning;
    /// The cluster has carried the run out, and does not tell what its steps have left: metrics and values.
    ///
    /// Both are known to the service of metadata that stands beside the pages of Kubeflow Pipelines. Where these have
    /// another address than the API, `kale-rs context add` takes it as `--ui URL`; `kale-rs show RUN STEP` then asks once
    /// more.
    ClusterKeepsValues = "cluster-keeps-values", Warning;
    /// With `run --then`: the next context has its turn, since the run has succeeded and every gate holds.
    ///
    /// The message has the values that the gates were held against.
    Promoted = "promoted", Info;
    /// With `run --then`: the next context was not started, since the run did not succeed, a gate does not hold, or whoever
    /// waited has ended.
    ///
    /// Nothing ran there. `kale-rs resume RUN` finishes the run and goes on, unless a gate does not hold on a good one. Mend the notebook, or give other parameters or another gate; the run that was refused stays, and
    /// `kale-rs show` has its metrics.
    NotPromoted = "not-promoted", Error;
    /// The run was pulled from another store, and only that one can go on with it.
    ///
    /// `kale-rs restore RUN STEP` writes its notebook as it was there, and `kale_rs.restore` puts its variables back.
    MadeElsewhere = "made-elsewhere", Error;
    /// The store has another run of the same id as the one that is pulled.
    ///
    /// Pull it into another store: `kale-rs snapshot pull URL --store FOLDER`.
    OtherRun = "other-run", Error;
    /// What was pulled is damaged, or was not made by `kale-rs snapshot push`. Nothing of it was kept.
    ///
    /// Ask whoever pushed it to push again to an empty place.
    SnapshotDamaged = "snapshot-damaged", Error;
    /// A stored value is missing, or is not what was stored.
    ///
    /// Run the notebook again with `--no-cache`; every result is then made anew.
    StoreDamaged = "store-damaged", Error;
    /// A step cannot start: its Python, or a module it needs, is missing.
    ///
    /// `kale-rs doctor NOTEBOOK` looks at the interpreter and at what it has.
    StepNotStarted = "step-not-started", Error;

    /// `run --openlineage`: the events of a run cannot be written or sent. The run goes on.
    ///
    /// They are tried again until the run has ended, and some seconds more. See that the folder of the file exists, or
    /// that the server is up and accepts the key in `OPENLINEAGE_API_KEY`.
    LineageUnsent = "lineage-unsent", Warning;
    /// `run --isolated`: the environment of the steps could not be made.
    ///
    /// The message says which package and what the installer said about it. Indexes are those of your configuration of
    /// pip and uv (`pip config list`). A package that only this machine has cannot be installed anew: put its modules
    /// beside the notebook, or publish it. `kale-rs run` without `--isolated` uses what is installed.
    EnvironmentNotBuilt = "environment-not-built", Error;

    // Holding a run against what the compiler promised (`--verify`).

    /// A cell changes a value, or binds a variable, and the analysis did not see it.
    ///
    /// Other steps would go on with the value from before. The fault is ours: most often the knowledge base believes a
    /// library's function to leave its argument alone. Put the cell and those that use the value into one step, or copy
    /// the value first; and report it, please. `--verify off` runs without looking.
    UndeclaredChange = "undeclared-change", Error;
    /// A cell reads a variable of an earlier cell, and the analysis did not see it, so the step was not given it.
    ///
    /// The fault is ours. Name the variable where the analysis can see it, such as in a line of its own at the top of
    /// the cell, or put both cells into one step; and report it, please.
    UndeclaredRead = "undeclared-read", Error;
    /// Two variables share an object, and the analysis takes them for separate, so another step would get two copies.
    ///
    /// The fault is ours: most often the knowledge base believes that a library's function returns something new. Copy
    /// the value, or put the cells into one step; and report it, please. Found by `--verify full`.
    UndeclaredSharing = "undeclared-sharing", Error;
    /// A variable that a later step needs is not bound, and the analysis was sure that it would be.
    ///
    /// The fault is ours. Bind the variable in a line of its own, outside of branches; and report it, please.
    MissingOutput = "missing-output", Error;
    /// A cell uses a file that another step uses, too, the analysis did not see it, and nothing orders the two steps.
    ///
    /// Files that libraries and modules of your own open by themselves cannot be seen before the run. Tag the later
    /// cell `prev:NAME`, put both into one step, or open the file in the cell itself.
    UndeclaredResource = "undeclared-resource", Error;
    /// A cell draws from a global random generator that an earlier cell has seeded, and the analysis did not see it.
    ///
    /// Later cells would draw other numbers than in the notebook. The fault is ours: most often the knowledge base does
    /// not know that a library's function draws. Give the function its own seed (`random_state=0`), or put the cells
    /// that draw into one step; and report it, please.
    UndeclaredRandomness = "undeclared-randomness", Error;
    /// A cell changes a setting of the process (working directory, environment, options), and the analysis did not see
    /// it, so later steps would not have the change.
    ///
    /// Make the change in the cell itself, where it can be seen and repeated, or put the cells into one step.
    UndeclaredSetting = "undeclared-setting", Error;
    /// A value that another step needs is not the same after it was stored and read back.
    ///
    /// Its class drops something when it is pickled, or the value is a view of another one. Ship something plainer, or
    /// put the cells into one step. Found by `--verify full`.
    ValueNotFaithful = "value-not-faithful", Error;
    /// A cell used a file, the network, a database or another program, and the analysis could not see that it would.
    ///
    /// Here nothing is wrong: no other step of the run uses the same. On a cluster, a file would be missing: open it in
    /// the cell itself, by a path that can be seen.
    UnforeseenResource = "unforeseen-resource", Info;
    /// `run --differential`: the pipeline does not compute what the notebook computes from top to bottom.
    ///
    /// The promise is broken, and the fault is ours: report it, please. Until then, put the cells that take part into
    /// one step.
    DiffersFromNotebook = "differs-from-notebook", Error;
    /// `run --differential`: the notebook itself gives something else each time, so it was not compared.
    ///
    /// Random numbers without a seed, times and addresses do that. Seed the generators to have more compared.
    NotRepeatable = "not-repeatable", Info;
    /// A part of what `--verify` looks at was left out, because a value is large or cannot be compared.
    ///
    /// Of a value up to 64 MiB of arrays and 2 MiB of other objects are compared; `--verify full` has no limit.
    NotVerified = "not-verified", Info;
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
