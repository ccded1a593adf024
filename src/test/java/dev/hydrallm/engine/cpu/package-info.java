@NullMarked
package dev.hydrallm.engine.cpu;

import org.jspecify.annotations.NullMarked;
