//! Questions to a person at a terminal. A script is asked nothing.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::domain::text::clean_but;

/// Times that an answer is asked for that makes no sense.
const TIMES: usize = 3;

/// Whoever answers.
pub(super) trait Answers {
    /// The answer to a question; `None` where nobody answers.
    fn ask(&mut self, question: &str) -> Option<String>;
}

/// A person at the terminal of this process.
pub(super) struct Person;

/// Nobody.
pub(super) struct Nobody;

impl Answers for Nobody {
    fn ask(&mut self, _: &str) -> Option<String> {
        None
    }
}

impl Answers for Person {
    fn ask(&mut self, question: &str) -> Option<String> {
        let mut err = io::stderr().lock();
        err.write_all(clean_but(question, &['\n']).as_bytes()).and_then(|()| err.flush()).ok()?;
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(1..) => Some(line.trim().to_owned()),
            _ => None,
        }
    }
}

/// Whoever answers this process: a person, where both input and the place of questions are a terminal.
pub(super) fn whoever() -> Box<dyn Answers + Send> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() { Box::new(Person) } else { Box::new(Nobody) }
}

/// One of several, by its number; `None` where nobody chose.
pub(super) fn one_of(answers: &mut dyn Answers, question: &str, lines: &[String]) -> Option<usize> {
    let list: Vec<String> = lines.iter().zip(1..).map(|(line, at)| format!("  {at}  {line}\n")).collect();
    let mut text = format!("{question}\n{}", list.concat());
    for _ in 0..TIMES {
        text.push_str(&format!("Which one, 1 to {}? ", lines.len()));
        let answer = answers.ask(&text)?;
        match answer.parse::<usize>() {
            Ok(at) if (1..=lines.len()).contains(&at) => return Some(at - 1),
            _ if answer.is_empty() => return None,
            _ => text.clear(),
        }
    }
    None
}

#[cfg(test)]
pub(super) struct Given(pub Vec<&'static str>, pub String);

#[cfg(test)]
impl Answers for Given {
    fn ask(&mut self, question: &str) -> Option<String> {
        self.1.push_str(question);
        (!self.0.is_empty()).then(|| self.0.remove(0).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_the_list_is_asked_for_until_there_is_one_and_never_made_up() {
        let lines = ["users".to_owned(), "admins".to_owned()];
        let mut given = Given(vec!["3", "x", "2"], String::new());
        assert_eq!(one_of(&mut given, "Two tables:", &lines), Some(1));
        assert_eq!(given.1.matches("Two tables:").count(), 1);
        assert_eq!(given.1.matches("Which one, 1 to 2? ").count(), 3);
        for answers in [vec![], vec![""], vec!["0", "9", "-1", "1"]] {
            assert_eq!(one_of(&mut Given(answers, String::new()), "", &lines), None);
        }
        assert_eq!(one_of(&mut Nobody, "", &lines), None);
    }
}
