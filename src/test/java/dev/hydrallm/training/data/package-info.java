@NullMarked
package dev.hydrallm.training.data;

import org.jspecify.annotations.NullMarked;
