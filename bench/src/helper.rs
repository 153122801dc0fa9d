//! Other processes of this program, which stand where the load goes.

use std::{
    io::{BufRead, BufReader, Write, stdin, stdout},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::Context;

use crate::load::Target;

/// A running `airlock-bench` of another kind, which ends with this value at the latest.
pub(crate) struct Helper {
    child: Child,
    address: SocketAddr,
}

impl Helper {
    /// Starts one, which must tell its address.
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut helper = Self { child: command.spawn()?, address: SocketAddr::from(([0; 4], 0)) };
        let mut line = String::new();
        BufReader::new(helper.child.stdout.take().context("its output is piped")?).read_line(&mut line)?;
        helper.address = line.trim().parse().with_context(|| format!("{arguments:?} did not tell its address"))?;
        Ok(helper)
    }

    /// Where to put load.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.address, pid: self.child.id() }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Tells the address, as [`Helper::start`] wants it.
pub(crate) fn tell(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{address}")?;
    Ok(out.flush()?)
}

/// Waits until whoever started this has ended, in whatever way.
pub(crate) async fn until_left() {
    let (left, wait) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let _ = std::io::copy(&mut stdin().lock(), &mut std::io::sink()); // however it ends
        let _ = left.send(()); // nobody waits when this ends first
    });
    let _ = wait.await;
}
