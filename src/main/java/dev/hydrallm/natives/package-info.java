/** What is the program's own outside the Java machine: its compiled library ({@code src/main/c}) and memory in large pages. */
@NullMarked
package dev.hydrallm.natives;

import org.jspecify.annotations.NullMarked;
