//! Making a virtual environment with the packages of a lock: by uv where it is on the `PATH`, else by pip.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use kale_model::{Lock, Requirement};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::python_of;
use crate::process::MARKER;
use crate::worker::{self, describe};

/// pip can install for another interpreter from this version on.
const PIP: (u32, u32) = (22, 3);
/// pip as it comes with Python, for environments that have none.
const BUNDLED_PIP: &str = "import ensurepip, glob, os, sys; \
     sys.path[:0] = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled', 'pip-*.whl')); \
     from pip._internal.cli.main import main; sys.exit(main())";
/// Settings of the user's that would have pip install elsewhere.
const ELSEWHERE: &[&str] = &["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"];
/// Of what a failed installer said, this much is shown.
const SHOWN: usize = 400;

pub struct Builder<'a> {
    /// The notebook's interpreter.
    pub python: &'a Path,
    pub folder: &'a Path,
    pub lock: &'a Lock,
    /// For the files that the installers read.
    pub scratch: &'a Path,
    /// The notebook's folder: settings may lie there.
    pub directory: &'a Path,
    /// Stays open in every process that works on the environment.
    pub descriptor: i32,
    pub marker: String,
}

pub struct Failure {
    pub tool: &'static str,
    pub said: String,
}

impl Builder<'_> {
    /// Who will install.
    pub fn tool(&self) -> &'static str {
        if uv().is_some() { "uv" } else { "pip" }
    }

    /// Makes the environment, and calls `tell` with every line that the tools say.
    pub async fn build(&self, mut tell: impl FnMut(&str)) -> Result<(), Failure> {
        let files = self.write_files().map_err(|error| Failure { tool: "pip", said: error.to_string() })?;
        if let Some(uv) = uv() {
            let made = self.by_uv(&uv, &files, &mut tell).await;
            if made.is_ok() {
                return made;
            }
            // An index that only pip is told of is no reason to fail.
            tell("uv has failed; trying pip");
            let cleared = fs::remove_dir_all(self.folder);
            let by_pip = match cleared {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return made,
                _ => self.by_pip(&files, &mut tell).await,
            };
            // Both have failed: the first choice is what the user expects to hear of.
            return by_pip.or(made);
        }
        self.by_pip(&files, &mut tell).await
    }

    async fn by_uv(&self, uv: &Path, files: &Files, tell: &mut impl FnMut(&str)) -> Result<(), Failure> {
        let python = python_of(self.folder);
        let uv = |arguments: &[&str], paths: &[&Path]| Call::new(uv, arguments, paths);
        self.call("uv", uv(&["venv", "--python"], &[self.python, self.folder]), tell).await?;
        if let Some(exact) = &files.exact {
            let call = uv(&["pip", "install", "--no-deps", "--python"], &[&python, "-r".as_ref(), exact]);
            self.call("uv", call, tell).await?;
        }
        if let Some((open, exact)) = &files.open {
            let paths = [python.as_path(), "-r".as_ref(), open, "-c".as_ref(), exact];
            self.call("uv", uv(&["pip", "install", "--python"], &paths), tell).await?;
        }
        Ok(())
    }

    async fn by_pip(&self, files: &Files, tell: &mut impl FnMut(&str)) -> Result<(), Failure> {
        let venv = Call::new(self.python, &["-m", "venv", "--without-pip"], &[self.folder]);
        self.call("pip", venv, tell).await?;
        let own = self.own_pip_is_new_enough().await;
        if let Some(exact) = &files.exact {
            self.call("pip", self.pip(own, &["--no-deps", "-r"], &[exact]), tell).await?;
        }
        if let Some((open, exact)) = &files.open {
            self.call("pip", self.pip(own, &["-r"], &[open, "-c".as_ref(), exact]), tell).await?;
        }
        Ok(())
    }

    /// `pip install` into the environment, which has no pip: by the notebook's, or by the one of the standard library.
    fn pip(&self, own: bool, arguments: &[&str], paths: &[&Path]) -> Call {
        let python = python_of(self.folder);
        let mut call = if own {
            Call::new(self.python, &["-m", "pip", "--python"], &[&python])
        } else {
            Call::new(&python, &["-c", BUNDLED_PIP], &[])
        };
        let how = ["install", "--no-user", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"];
        call.arguments
            .extend(how.iter().chain(["--no-warn-script-location"].iter()).chain(arguments).map(OsString::from));
        call.arguments.extend(paths.iter().map(OsString::from));
        call
    }

    async fn own_pip_is_new_enough(&self) -> bool {
        let asked = Command::new(self.python).args(["-m", "pip", "--version"]).stdin(Stdio::null()).output().await;
        let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let mut numbers = text.split([' ', '.']).skip(1).map_while(|number| number.parse::<u32>().ok());
        let version = (numbers.next(), numbers.next());
        matches!(version, (Some(major), Some(minor)) if (major, minor) >= PIP)
    }

    fn write_files(&self) -> io::Result<Files> {
        let (exact, open): (Vec<&Requirement>, Vec<&Requirement>) =
            self.lock.packages.iter().partition(|package| package.is_exact());
        let write = |name: &str, packages: &[&Requirement]| {
            let path = self.scratch.join(name);
            let lines: String = packages.iter().map(|package| format!("{package}\n")).collect();
            fs::write(&path, lines).map(|()| path)
        };
        let pins = write("lock.txt", &exact)?;
        Ok(Files {
            open: if open.is_empty() { None } else { Some((write("open.txt", &open)?, constraints(&pins, &exact)?)) },
            exact: (!exact.is_empty()).then_some(pins),
        })
    }

    /// Runs a tool to its end. It dies with the engine, and the next to make the environment waits for its death.
    async fn call(&self, tool: &'static str, call: Call, tell: &mut impl FnMut(&str)) -> Result<(), Failure> {
        let mut said = vec![];
        let ended = self.run(&call, |line| {
            tell(line);
            said.push(line.to_owned());
        });
        let failure = match ended.await {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => complaint(&said).unwrap_or_else(|| format!("it ended with {}", describe(Some(status)))),
            Err(error) => format!("`{}`: {error}", call.program.display()),
        };
        Err(Failure { tool, said: failure })
    }

    async fn run(&self, call: &Call, mut hear: impl FnMut(&str)) -> io::Result<ExitStatus> {
        let (reader, writer) = io::pipe()?;
        let mut command = std::process::Command::new(&call.program);
        command
            .args(&call.arguments)
            .current_dir(self.directory)
            .env(MARKER, &self.marker)
            .env("PYTHONUNBUFFERED", "1")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        worker::die_with_the_engine(&mut command);
        let descriptor = self.descriptor;
        let keep_open = move || {
            // SAFETY: clears the flag by which the descriptor would be closed; allowed between fork and exec.
            if unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) } < 0 {
                Err(io::Error::last_os_error())
            } else {
                Ok(())
            }
        };
        // SAFETY: `keep_open` allocates nothing and takes no lock.
        unsafe { command.pre_exec(keep_open) };
        let mut command = Command::from(command);
        let mut child = command.kill_on_drop(true).spawn()?;
        // Its copies of the pipe's end must not keep us reading.
        drop(command);
        let mut lines = BufReader::new(pipe::Receiver::from_owned_fd(reader.into())?).split(b'\n');
        while let Some(line) = lines.next_segment().await? {
            hear(String::from_utf8_lossy(&line).trim_end());
        }
        child.wait().await
    }
}

/// What is written for the installers to read.
struct Files {
    /// The packages whose versions are known.
    exact: Option<PathBuf>,
    /// The others, and what they must not change.
    open: Option<(PathBuf, PathBuf)>,
}

/// Constraints know neither extras nor places.
fn constraints(pins: &Path, exact: &[&Requirement]) -> io::Result<PathBuf> {
    let path = pins.with_file_name("constraints.txt");
    let lines: String = exact.iter().map(|package| format!("{}=={}\n", package.name, package.version)).collect();
    fs::write(&path, lines).map(|()| path)
}

struct Call {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Call {
    fn new(program: &Path, arguments: &[&str], paths: &[&Path]) -> Call {
        let words = arguments.iter().map(OsString::from).chain(paths.iter().map(OsString::from));
        Call { program: program.to_owned(), arguments: words.collect() }
    }
}

fn uv() -> Option<PathBuf> {
    worker::find_program(Path::new("uv"))
}

/// The lines in which an installer says what is wrong, as one.
fn complaint(said: &[String]) -> Option<String> {
    let is_complaint =
        |line: &&String| ["ERROR:", "error:", "×", "╰─▶"].iter().any(|mark| line.trim_start().starts_with(mark));
    let first = said.iter().position(|line| is_complaint(&line));
    let lines = match first {
        Some(first) => &said[first..],
        None => &said[said.len().saturating_sub(3)..],
    };
    let bare = |line: &String| {
        let line = line.trim().trim_start_matches(['×', '╰', '─', '▶', '│', '├']).trim();
        line.strip_prefix("ERROR: ").or_else(|| line.strip_prefix("error: ")).unwrap_or(line).to_owned()
    };
    let text = lines.iter().map(bare).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(end, _)| end);
    let dots = if end < text.len() { "..." } else { "" };
    (!text.is_empty()).then(|| format!("{}{dots}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let told = |text: &str| complaint(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        let pip =
            "Looking in indexes: x\nERROR: Could not find a version\nERROR: No matching distribution found for a==9";
        assert_eq!(told(pip).as_deref(), Some("Could not find a version No matching distribution found for a==9"));
        let uv = "Using Python\n  × No solution found\n  ╰─▶ Because there is no version of\n      a==9";
        assert_eq!(told(uv).as_deref(), Some("No solution found Because there is no version of a==9"));
        assert_eq!(told("").as_deref(), None);
    }
}
