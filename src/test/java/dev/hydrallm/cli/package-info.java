@NullMarked
package dev.hydrallm.cli;

import org.jspecify.annotations.NullMarked;
