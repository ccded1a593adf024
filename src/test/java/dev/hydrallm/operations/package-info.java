/** What surrounds the program: manifests, image, launcher. */
@NullMarked
package dev.hydrallm.operations;

import org.jspecify.annotations.NullMarked;
