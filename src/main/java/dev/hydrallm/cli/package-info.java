/** The command line, and the place where the parts are put together. Everything may be used here; nobody uses this. */
@NullMarked
package dev.hydrallm.cli;

import org.jspecify.annotations.NullMarked;
