//! What a function is told by its environment, read in one place; whatever is missing or wrong is said by its name, and
//! never with its value, which may be a credential.

use std::collections::HashMap;
use std::fmt;

/// The environment of a function.
pub struct Environment(HashMap<String, String>);

/// What is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable that is needed is not there, or is empty.
    #[error("the environment variable {0} is missing; template.yaml sets it")]
    Missing(&'static str),
    /// A variable is not what it should be.
    #[error("the environment variable {name} cannot be used: {reason}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Names only: the values may be credentials.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// A variable that must be there.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn required(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing(name))
    }

    /// A variable that may be there; an empty one is not.
    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A number that may be there.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if it is not a number above `least` and up to `most`.
    pub fn number(&self, name: &'static str, least: f64, most: f64) -> Result<Option<f64>, ConfigError> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|number| *number > least && *number <= most);
        let reason = || format!("it must be a number above {least} and up to {most}");
        number.map(Some).ok_or_else(|| ConfigError::Invalid { name, reason: reason() })
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_empty_is_named() {
        let environment = Environment::from([("TABLE_NAME", ""), ("OTHER", "x")]);
        let error = environment.required("TABLE_NAME").unwrap_err();
        assert_eq!(error, ConfigError::Missing("TABLE_NAME"));
        assert!(error.to_string().contains("TABLE_NAME"), "{error}");
        assert_eq!(environment.required("OTHER"), Ok("x"));
        assert_eq!(environment.optional("NOT_THERE"), None);
    }

    #[test]
    fn a_number_out_of_range_is_refused_and_not_repeated() {
        let check = |text: &str, expected: Option<f64>| {
            let environment = Environment::from([("STRIPE_SHARE", text)]);
            match environment.number("STRIPE_SHARE", 0.0, 1.0) {
                Ok(number) => assert_eq!(number, expected, "{text}"),
                Err(error) => {
                    assert!(expected.is_none(), "{text}");
                    assert!(error.to_string().contains("STRIPE_SHARE"), "{error}");
                    assert!(!error.to_string().contains("secret"), "{error}");
                }
            }
        };
        check("0.5", Some(0.5));
        check("1", Some(1.0));
        check("", None);
        for wrong in ["0", "1.01", "-1", "NaN", "inf", "secret"] {
            check(wrong, None);
        }
    }

    #[test]
    fn nothing_that_is_printed_has_a_value_in_it() {
        let environment = Environment::from([("AWS_SECRET_ACCESS_KEY", "hush")]);
        let printed = format!("{environment:?}");
        assert!(printed.contains("AWS_SECRET_ACCESS_KEY") && !printed.contains("hush"), "{printed}");
    }
}
