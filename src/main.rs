//! Entry point: the choice of cryptography, the arguments, the exit code.

use std::process::ExitCode;

use auth_consistency::{cli, tokens};

fn main() -> ExitCode {
    // An error says that a choice was made before, which is what was wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokens::install_crypto();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::Said::failed(&error).print(),
    };
    let said = runtime.block_on(cli::main(std::env::args_os()));
    // A thread that still waits for something must not keep the answer from the person.
    runtime.shutdown_background();
    said.print()
}
