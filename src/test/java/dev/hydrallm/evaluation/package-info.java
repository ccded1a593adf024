@NullMarked
package dev.hydrallm.evaluation;

import org.jspecify.annotations.NullMarked;
