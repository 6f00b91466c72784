//! A Lua script: its text, the prelude in front, and the commands that bring it in and call it.

use deadpool_redis::redis::{Cmd, Script as Hashed};

use super::Arg;

/// A Lua script with the prelude in front.
#[derive(Debug)]
pub struct Script {
    text: String,
    /// The SHA-1 by which the server knows it.
    hash: String,
}

impl Script {
    /// From the text of a `.lua` file.
    pub fn new(text: &str) -> Self {
        Self::behind("", text)
    }

    /// From the text of a `.lua` file and that of the functions which it calls.
    pub fn behind(functions: &str, text: &str) -> Self {
        let text = format!("{}{functions}{text}", include_str!("../prelude.lua"));
        let hash = Hashed::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// Calls it by its hash.
    pub(super) fn call(&self, keys: &[String], args: &[Arg]) -> Cmd {
        let mut call = Cmd::new();
        call.arg("EVALSHA").arg(&self.hash).arg(keys.len()).arg(keys);
        for arg in args {
            arg.write(&mut call);
        }
        call
    }

    /// Makes the server know it.
    pub(super) fn load(&self) -> Cmd {
        let mut load = Cmd::new();
        load.arg("SCRIPT").arg("LOAD").arg(&self.text);
        load
    }
}
