/** What tests of several packages share. */
@NullMarked
package dev.hydrallm.testing;

import org.jspecify.annotations.NullMarked;
