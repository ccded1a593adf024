@NullMarked
package dev.hydrallm.engine.torch;

import org.jspecify.annotations.NullMarked;
