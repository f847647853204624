//! How far one word is from another, for guessing what was meant.

/// The number of letters to put in, leave out, replace, or exchange with their neighbours.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before_last: Vec<usize> = vec![];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 0..one.len() {
        let mut row = vec![i + 1];
        for j in 0..other.len() {
            let replaced = last[j] + usize::from(one[i] != other[j]);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i] == other[j - 1] && one[i - 1] == other[j] {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

/// Whether `word` is likely a slip of `meant`: the longer the word, the more letters may differ. In short words a
/// replaced letter makes another word (`ship` is no slip of `skip`), so there the same letters have to be left.
fn is_slip(word: &str, meant: &str) -> bool {
    let length = meant.chars().count();
    match distance(word, meant) {
        0 => true,
        1 if length <= 4 => word.chars().count() != length || is_anagram(word, meant),
        1 => true,
        2 => length >= 8,
        _ => false,
    }
}

/// The candidate that `word` is most likely a slip of.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let close = candidates.iter().copied().filter(|candidate| is_slip(word, candidate));
    close.min_by_key(|candidate| distance(word, candidate))
}

fn is_anagram(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("load", "laod"), 1);
        assert_eq!(distance("train", "train"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn slips_of_short_words_keep_their_letters() {
        for (word, meant) in [("stp", "step"), ("setp", "step"), ("steps", "step"), ("limits", "limit")] {
            assert!(is_slip(word, meant), "{word}");
        }
        for (word, meant) in [("ship", "skip"), ("stop", "step"), ("stage", "image"), ("id", "cpu")] {
            assert!(!is_slip(word, meant), "{word}");
        }
    }
}
