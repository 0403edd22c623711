//! A process that this program started: ended, by its own id, when it is dropped, whatever happened.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// How much of a dead process's last words is shown.
const LAST_WORDS_BYTES: i64 = 2000;

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its errors, and its output unless that is piped, going to `log`.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path, piped: bool) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        if piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file.try_clone()?);
        }
        let child = command
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().display()))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn pipes(&mut self) -> Result<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take()).context("the process has no pipes")
    }

    /// Fails, with the process's last words, if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}:\n{}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Kills it (SIGKILL), and returns when it is gone.
    pub(crate) fn end(&mut self) {
        // Both fail only where the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The end of what it wrote.
    pub(crate) fn last_words(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = i64::try_from(fs::metadata(&self.log)?.len()).unwrap_or(0);
            file.seek(SeekFrom::End(-length.min(LAST_WORDS_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
