/** What a closed-world build of the program must be told: recorded from the running program, compared with the metadata. */
@NullMarked
package dev.hydrallm.nativeimage;

import org.jspecify.annotations.NullMarked;
