@NullMarked
package dev.hydrallm.decoding;

import org.jspecify.annotations.NullMarked;
