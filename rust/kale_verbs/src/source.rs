//! From a request's notebook to a compilation, the same way for every verb.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kale_frontend::{Compilation, CompileOptions, Granularity};
use kale_model::{Code, Diagnostic};
use serde::Deserialize;

use crate::error::VerbError;
use crate::interpreter::{self, Choice};
use crate::notebook::{Listing, NotebookText};
use crate::overlay::{self, Origin, Overlay, ScheduleSettings, Setting};
use crate::session::{Interpreter, Session};
use crate::{beside, environment, modules};

/// Which notebook, and how to read it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Source {
    /// A path, or `-` for standard input.
    pub notebook: String,
    /// The notebook as an editor has it: what lies at the path may be older, or not be there yet.
    #[serde(default)]
    pub text: Option<String>,
    /// `auto`, `heading` or `cell`; `None` when the user gave no flag.
    #[serde(default)]
    pub granularity: Option<String>,
    /// The interpreter to compile for (and to run under).
    #[serde(default)]
    pub python: Option<PathBuf>,
    /// A file with what is wanted otherwise than the notebook says.
    #[serde(default)]
    pub overlay: Option<PathBuf>,
}

pub struct Compiled {
    pub notebook: NotebookText,
    pub interpreter: Interpreter,
    pub compilation: Compilation,
    /// Modules that are installed from a folder of this machine, to where they lie.
    pub unpublished: BTreeMap<String, String>,
    /// Values that an overlay can set, and where each is from.
    pub settings: Vec<Setting>,
    /// What overlays say that is not of this notebook.
    pub unused: Vec<String>,
    /// What overlays say of when it runs by itself.
    pub schedule: ScheduleSettings,
    /// A remark about the choice of interpreter, for people.
    pub remark: Option<String>,
}

impl Source {
    pub fn with_overlay(self, overlay: Option<PathBuf>) -> Source {
        Source { overlay, ..self }
    }

    /// For the context that is named, else for no place in particular.
    pub fn compile(&self, session: &Session, context: Option<&str>) -> Result<Compiled, VerbError> {
        self.open(session)?.compiled_for(session, context)
    }

    /// Reads the notebook and looks at what lies around it, once for all compilations of it.
    pub fn open(&self, session: &Session) -> Result<Opened, VerbError> {
        let granularity = self.granularity.as_deref().map(granularity).transpose()?;
        let notebook = match &self.text {
            Some(text) => NotebookText::unsaved(session, &self.notebook, text),
            None => NotebookText::read(session, &self.notebook)?,
        };
        let Choice { interpreter, remark } = interpreter::choose(session, &notebook, self.python.as_deref())?;
        let mut environment = environment::scan(&interpreter, &notebook.directory);
        environment.exports = modules::star_exports(&notebook.text, &interpreter, &notebook.directory, &environment);
        environment.module_states =
            beside::module_states(&notebook.text, &notebook.directory, &environment.local_modules, interpreter.version);
        environment.local_imports = beside::imports(&notebook.text, &notebook.directory, &environment);
        let options = CompileOptions {
            granularity,
            environment,
            notebooks: notebook.references(),
            default_name: notebook.stem(),
            ..CompileOptions::default()
        };
        let overlay = self.overlay.as_deref().map(|file| Overlay::read(session, file)).transpose()?;
        Ok(Opened { notebook, interpreter, options, overlay: overlay.unwrap_or_default(), remark })
    }
}

/// A notebook with all that its compilation depends on.
#[derive(Clone)]
pub struct Opened {
    pub notebook: NotebookText,
    pub interpreter: Interpreter,
    pub options: CompileOptions,
    pub overlay: Overlay,
    pub remark: Option<String>,
}

impl Opened {
    /// Compiles it for a context, whose own overlay is below that of the command line; `None` is no place in particular.
    pub fn compiled_for(self, session: &Session, context: Option<&str>) -> Result<Compiled, VerbError> {
        let below = context.map(|name| overlay::of_context(session, name)).transpose()?.flatten();
        let mut compilation = self.compile()?;
        let below = below.iter().map(|overlay| (Origin::Context, overlay));
        let layers: Vec<(Origin, &Overlay)> = below.chain([(Origin::Overlay, &self.overlay)]).collect();
        let said = layers.iter().map(|(_, overlay)| overlay.schedule.clone());
        let schedule = said.reduce(|below, above| above.over(below)).unwrap_or_default();
        schedule.read()?;
        let settings = compilation.pipeline.as_mut().map(|pipeline| overlay::apply(&layers, pipeline)).transpose()?;
        let unused = compilation.pipeline.as_ref().map(|pipeline| overlay::unused(&layers, pipeline));
        let Opened { notebook, interpreter, remark, options, .. } = self;
        let (unpublished, settings) = (options.environment.unpublished, settings.unwrap_or_default());
        let unused = unused.unwrap_or_default();
        Ok(Compiled { notebook, interpreter, compilation, unpublished, settings, unused, schedule, remark })
    }

    pub fn compile(&self) -> Result<Compilation, VerbError> {
        let compilation = kale_frontend::compile(&self.notebook.text, &self.options);
        if self.options.granularity.is_some() {
            refuse_flag_beside_tags(&compilation.diagnostics)?;
        }
        Ok(compilation)
    }

    pub fn listing(&self) -> Listing {
        Listing::of(&self.notebook.label, &self.notebook.text)
    }
}

impl Compiled {
    pub fn listing(&self) -> Listing {
        Listing::of(&self.notebook.label, &self.notebook.text)
    }
}

/// The flag is for notebooks without `step:` tags. With them it is the command that is wrong, not the notebook: the
/// compiler's fault of a tag that stands in no cell is the flag's.
fn refuse_flag_beside_tags(diagnostics: &[Diagnostic]) -> Result<(), VerbError> {
    let fault = diagnostics.iter().find(|fault| fault.code == Code::BadTag && fault.cell.is_none());
    fault.map_or(Ok(()), |fault| Err(VerbError::usage(fault.message.clone(), fault.help.clone())))
}

fn granularity(name: &str) -> Result<Granularity, VerbError> {
    match name {
        "auto" => Ok(Granularity::Auto),
        "heading" => Ok(Granularity::Heading),
        "cell" => Ok(Granularity::Cell),
        other => Err(VerbError::usage(format!("`{other}` is no granularity"), "use `auto`, `heading` or `cell`")),
    }
}
