//! Automagic: `ls -l` alone in a cell is `%ls -l`, unless `ls` is a variable.
//!
//! IPython only tries this on cells of exactly one line; in longer cells such a line is a syntax error.

/// IPython's line magics, those of extensions in wide use, and the shell aliases IPython has on Unix. Sorted.
#[rustfmt::skip]
const LINE_MAGICS: &[&str] = &[
    "alias", "alias_magic", "autoawait", "autocall", "automagic", "autoreload", "bookmark", "cat", "cd", "clear",
    "code_wrap", "colors", "conda", "config", "connect_info", "cp", "debug", "dhist", "dirs", "doctest_mode", "ed",
    "edit", "env", "gui", "hist", "history", "killbgscripts", "ldir", "less", "lf", "lk", "ll", "load", "load_ext",
    "loadpy", "logoff", "logon", "logstart", "logstate", "logstop", "lprun", "ls", "lsmagic", "lx", "macro",
    "magic", "mamba", "man", "matplotlib", "memit", "micromamba", "mkdir", "more", "mprun", "mv", "notebook",
    "page", "pastebin", "pdb", "pdef", "pdoc", "pfile", "pinfo", "pinfo2", "pip", "pipeline", "popd", "pprint",
    "precision", "prun", "psearch", "psource", "pushd", "pwd", "pycat", "pylab", "qtconsole", "quickref", "recall",
    "rehashx", "reload_ext", "rep", "rerun", "reset", "reset_selective", "rm", "rmdir", "run", "save", "sc",
    "set_env", "subshell", "sx", "system", "tb", "tensorboard", "time", "timeit", "unalias", "unload_ext", "uv",
    "watermark", "who", "who_ls", "whos", "xdel", "xmode",
];

/// The line magic of this name.
pub(super) fn line_magic(name: &str) -> Option<&'static str> {
    LINE_MAGICS.binary_search(&name).ok().map(|index| LINE_MAGICS[index])
}

/// The line magic that a line calls by automagic, should no variable have its name.
pub(super) fn called(line: &str) -> Option<&'static str> {
    let end = line.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(line.len());
    let magic = line_magic(&line[..end])?;
    let is_python =
        line[end..].starts_with(['.', '(', '[', ':', ';']) || line[end..].trim_start().starts_with(['=', ',']);
    (!is_python).then_some(magic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(LINE_MAGICS.is_sorted());
    }

    #[test]
    fn calls_are_told_from_python() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(called(line), expected, "{line}");
        check("ls -l", Some("ls"));
        check("cd ..", Some("cd"));
        check("timeit f(x)", Some("timeit"));
        check("history = fit()", None);
        check("time.sleep(1)", None);
        check("reset()", None);
        check("lsof", None);
    }
}
