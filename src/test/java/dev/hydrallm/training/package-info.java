@NullMarked
package dev.hydrallm.training;

import org.jspecify.annotations.NullMarked;
