//! Nesting that CPython refuses, beyond what its grammar says: 100 levels of indentation, and 20 loops, `with` and `try`
//! blocks inside each other.

use ruff_python_ast::{Stmt, StmtTry};
use ruff_text_size::{Ranged, TextSize};

/// CPython's MAXINDENT: the deepest block may have 99 around it.
const MAX_INDENTS: usize = 100;
/// CPython's CO_MAXBLOCKS, per function.
const MAX_BLOCKS: usize = 20;

/// Offset of the first line that is indented too deeply. Before parsing, since the parser nests as the code does.
///
/// Only a text with very many blanks in a row is looked at closely; in a string or a comment they mean nothing.
pub(super) fn too_many_indents(source: &str) -> Option<usize> {
    // So many blanks fill one of these pieces.
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    if !source.as_bytes().chunks_exact(MAX_INDENTS / 2).any(|piece| piece.iter().all(is_blank)) {
        return None;
    }
    let mut levels: Vec<usize> = vec![0];
    for (start, _) in crate::magics::statement_starts(source) {
        let line = source[..start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let width = start - line;
        while levels.last().is_some_and(|last| *last > width) {
            levels.pop();
        }
        if levels.last() != Some(&width) {
            levels.push(width);
        }
        if levels.len() > MAX_INDENTS {
            return Some(start);
        }
    }
    None
}

/// Offset of the first statement that nests too many blocks.
pub(super) fn too_many_blocks(body: &[Stmt]) -> Option<TextSize> {
    in_body(body, 0)
}

fn in_body(body: &[Stmt], depth: usize) -> Option<TextSize> {
    body.iter().find_map(|statement| in_statement(statement, depth))
}

fn in_statement(statement: &Stmt, depth: usize) -> Option<TextSize> {
    let deeper = |blocks: usize| {
        let depth = depth + blocks;
        if depth > MAX_BLOCKS { Err(statement.start()) } else { Ok(depth) }
    };
    let inside = |blocks: usize, body: &[Stmt]| deeper(blocks).map_or_else(Some, |depth| in_body(body, depth));
    match statement {
        Stmt::FunctionDef(function) => in_body(&function.body, 0),
        Stmt::ClassDef(class) => in_body(&class.body, 0),
        Stmt::If(branch) => {
            let clauses = branch.elif_else_clauses.iter().map(|clause| &clause.body);
            std::iter::once(&branch.body).chain(clauses).find_map(|body| in_body(body, depth))
        }
        Stmt::Match(choice) => choice.cases.iter().find_map(|case| in_body(&case.body, depth)),
        Stmt::For(block) => inside(1, &block.body).or_else(|| in_body(&block.orelse, depth)),
        Stmt::While(block) => inside(1, &block.body).or_else(|| in_body(&block.orelse, depth)),
        Stmt::With(block) => inside(block.items.len(), &block.body),
        Stmt::Try(block) => in_try(block, inside),
        _ => None,
    }
}

/// A handler is a block of its own inside the one that restores the exception.
fn in_try(block: &StmtTry, inside: impl Fn(usize, &[Stmt]) -> Option<TextSize>) -> Option<TextSize> {
    let cleanup = usize::from(!block.finalbody.is_empty());
    let handled = usize::from(!block.handlers.is_empty());
    let handlers = block.handlers.iter().filter_map(|handler| handler.as_except_handler());
    inside(cleanup + handled, &block.body)
        .or_else(|| handlers.into_iter().find_map(|handler| inside(cleanup + 2, &handler.body)))
        .or_else(|| inside(cleanup, &block.orelse))
        .or_else(|| inside(cleanup, &block.finalbody))
}
