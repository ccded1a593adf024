@NullMarked
package dev.hydrallm.engine;

import org.jspecify.annotations.NullMarked;
