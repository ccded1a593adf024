package dev.hydrallm.nativeimage;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Something that a program looked up by name.
 *
 * @param kind {@link #TYPE}, one of the attributes by which metadata grant access to a type's members
 *     ({@code allDeclaredMethods}, {@code allPublicFields}, …), {@link #JNI}, or one of the others
 * @param name of the class, as Java source would write it but with $; the path of the resource; the interfaces of the
 *     proxy, with commas; the signature of the C function
 * @param caller the class that looked it up, or the native library
 */
record Access(String kind, String name, String caller) {
    static final String TYPE = "type";
    static final String JNI = "jniAccessible";
    static final String RESOURCE = "resource";
    static final String SERVICE = "service";
    static final String PROXY = "proxy";
    static final String DOWNCALL = "downcall";

    /** How it is written down. */
    String line() {
        return String.join("\t", kind, name, caller);
    }

    static Access of(String line) {
        String[] words = line.split("\t", -1);
        return new Access(words[0], words[1], words[2]);
    }

    @Override
    public String toString() {
        return kind + " " + name + " (looked up by " + caller + ")";
    }

    /** A C function's signature, such as {@code jint(void*,jint);firstVariadicArg=1}, with the builder's names of types. */
    static String signature(FunctionDescriptor function, List<String> options) {
        String parameters =
                function.argumentLayouts().stream().map(Access::cType).collect(Collectors.joining(","));
        return function.returnLayout().map(Access::cType).orElse("void")
                + "(" + parameters + ")"
                + options.stream().map(Access::option).sorted().collect(Collectors.joining());
    }

    /** As the JDK describes it: {@code FirstVariadicArg[index=2]}, {@code CaptureCallState[…]}. */
    private static String option(String description) {
        if (description.startsWith("CaptureCallState")) {
            return ";captureCallState=true";
        }
        if (description.startsWith("FirstVariadicArg")) {
            return ";firstVariadicArg=" + description.replaceAll("\\D", "");
        }
        throw new IllegalArgumentException("no name for " + description);
    }

    /** The builder's name of a layout. */
    private static String cType(MemoryLayout layout) {
        if (!(layout instanceof ValueLayout value)) {
            throw new IllegalArgumentException("no name for " + layout);
        }
        return value.carrier().isPrimitive() ? "j" + value.carrier() : "void*";
    }
}
