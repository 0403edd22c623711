//! The program: arguments, then configuration, then logging, then the application.

use std::io::{self, Write, stderr, stdout};
use std::process::ExitCode;

use bellhop::app::App;
use bellhop::cli::{self, Cli, Command};
use bellhop::config::{self, Settings, Sources};
use bellhop::domain::{Clock, SystemClock};
use bellhop::storage;
use bellhop::telemetry::logging;
use clap::Parser;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even standard error is gone, the exit code is all there is to say.
            let _ = writeln!(stderr(), "bellhop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let (command, files) = Cli::parse().into_parts();
    let heaps = if let Command::Serve(_) = command { cli::keep_few_heaps() } else { Ok(()) };
    let settings = config::load(&Sources::from_process(files))?;
    match command {
        Command::Serve(_) => serve(settings, heaps),
        Command::Migrate(_) => migrate(&settings),
        Command::Token(arguments) => Ok(cli::token(&mut stdout(), &settings, &arguments, SystemClock.now())?),
        Command::Metrics(_) => Ok(cli::metrics(&mut stdout())?),
        Command::Postman(_) => Ok(cli::postman(&mut stdout(), &settings)?),
        Command::CheckConfig(_) => Ok(cli::check_config(&mut stdout(), &settings)?),
    }
}

/// `heaps` says why the C library keeps as many as it likes, if it does.
fn serve(settings: Settings, heaps: io::Result<()>) -> anyhow::Result<()> {
    logging::init(&settings.log)?;
    if let Err(error) = heaps {
        log::warn!("the C library keeps more memory than it needs: {error}");
    }
    actix_web::rt::System::new().block_on(async {
        let app = App::build(settings).await?;
        let stop = told_to_stop()?;
        app.run(stop).await
    })
}

/// Ready at the first SIGTERM or SIGINT.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let applied = storage::bring_up_to_date(&settings.database)?;
    let mut out = stdout();
    for name in &applied {
        writeln!(out, "applied {name}")?;
    }
    if applied.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    Ok(())
}
