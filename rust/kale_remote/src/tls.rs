//! The one TLS implementation of the process.

use std::sync::Once;

/// Whoever is about to connect calls this first. With two implementations linked in, rustls refuses to choose.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An application that embeds us may have chosen one already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
