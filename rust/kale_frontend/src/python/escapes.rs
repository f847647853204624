//! IPython's escapes: `%magic`, `!command`, `name?`.

use ruff_python_ast::IpyEscapeKind;
use ruff_text_size::TextRange;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::facts::Resource;

impl<'a> Analyzer<'a> {
    pub fn escape_command(&mut self, kind: IpyEscapeKind, text: &str, range: TextRange) {
        self.frame().effects.calls = true;
        match kind {
            IpyEscapeKind::Help | IpyEscapeKind::Help2 => {}
            IpyEscapeKind::Shell | IpyEscapeKind::ShCap => self.shell_command(text, range),
            IpyEscapeKind::Magic | IpyEscapeKind::Magic2 => self.magic_line(text, range),
            IpyEscapeKind::Quote | IpyEscapeKind::Quote2 | IpyEscapeKind::Paren => {
                let name = text.split_whitespace().next().unwrap_or_default().to_owned();
                let callee = self.read(&name, range);
                self.unknown_call(Some(&callee), &Arguments::default(), range);
            }
        }
    }

    pub(super) fn shell_command(&mut self, text: &str, range: TextRange) {
        if text.trim_start().starts_with("pip ") || text.contains("pip install") {
            return;
        }
        self.interpolate(text, range);
        self.touch(Resource::Subprocess, true, range);
        self.touch(Resource::AnyFile, true, range);
    }

    /// `{...}` and `$name` are expressions, in commands as in the lines of magics.
    fn interpolate(&mut self, text: &str, range: TextRange) {
        for name in interpolated_names(text) {
            let interned = self.name(&name);
            if self.module_binding(interned).is_some() {
                self.read(&name, range);
            }
        }
    }

    pub(super) fn magic_line(&mut self, text: &str, range: TextRange) {
        let magic = text.split_whitespace().next().unwrap_or_default();
        self.interpolate(text, range);
        if matches!(magic, "cd" | "pushd" | "popd") {
            let path = text.split_whitespace().skip(1).find(|word| !word.starts_with('-'));
            let path = path.filter(|path| magic != "popd" && !path.contains(['{', '$', '~', '"', '\'']));
            self.frame().effects.directories.push(path.map(str::to_owned));
        }
        let calls = &mut self.frame().effects.calls;
        match magic {
            "matplotlib" | "pylab" => {
                *calls = false;
                self.frame().effects.settings.insert("matplotlib".to_owned());
            }
            "config" | "load_ext" | "reload_ext" | "autoreload" | "precision" | "xmode" | "colors" | "cd" | "pushd"
            | "popd" | "env" | "set_env" => {
                *calls = false;
                self.change_interpreter();
            }
            "pip" | "conda" | "mamba" | "uv" | "time" | "timeit" | "prun" | "who" | "whos" | "pwd" | "lsmagic"
            | "watermark" | "memit" | "alias" => {}
            "ls" | "cat" | "ll" | "head" | "tail" => self.touch(Resource::AnyFile, false, range),
            "run" | "load" | "store" | "macro" | "recall" | "rerun" | "edit" | "reset" | "reset_selective"
            | "who_ls" | "xdel" => self.frame().effects.dynamic.push((format!("%{magic}"), range)),
            _ => {
                self.touch(Resource::Subprocess, true, range);
                self.touch(Resource::AnyFile, true, range);
            }
        }
    }
}

/// Names in `{...}` and `$name` of a shell command.
fn interpolated_names(text: &str) -> Vec<String> {
    let mut names = vec![];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '$']) {
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && !rest.starts_with(|c: char| c.is_ascii_digit()) {
            names.push(rest[..end].to_owned());
        }
    }
    names
}
