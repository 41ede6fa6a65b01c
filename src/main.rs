//! Entry point: the choice of cryptography, the arguments, the exit code.

use auth_consistency::tokens::crypto;

use std::{panic::AssertUnwindSafe, process::ExitCode};

use auth_consistency::{cli, inherited, telemetry};

/// What a person reads below the line that says where.
const MISTAKE: &str = "a mistake in auth-consistency ended the command before it could tell: report it with the line above, \
                       which says where it was";

fn main() -> ExitCode {
    telemetry::hide_panics();
    if let Err(error) = inherited::drop_database_variables() {
        return cli::Output::failed(&error).print();
    }
    // An error says that a choice was made before, which is what was wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    crypto::install_crypto();
    // Each thread keeps memory of its own, so their number does not grow with the machine: what is done here
    // waits for others most of the time. Blocking threads look hosts up and hash, which is bounded as well.
    let workers = std::thread::available_parallelism().map_or(2, |all| all.get().min(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return cli::Output::failed(&error).print(),
    };
    // What a panic was about is dropped unread. Nothing is used afterwards that it could have left half done.
    let said =
        std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(cli::main(std::env::args_os()))))
            .unwrap_or_else(|_| cli::Output::failed(&MISTAKE));
    // A thread that still waits for something must not keep the answer from the person.
    runtime.shutdown_background();
    said.print()
}
