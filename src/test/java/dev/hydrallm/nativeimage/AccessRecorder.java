package dev.hydrallm.nativeimage;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.ProtectionDomain;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.jspecify.annotations.Nullable;

/**
 * A Java agent that writes down what a program looks up by name while it runs: classes and their members, resources,
 * services, proxies, C functions. It puts a call of {@link #record} before each such call in every class that is not the
 * JDK's own, and writes one line for each different {@link Access} when the process ends. GraalVM's own tracing agent
 * does the same and is not part of other JDKs. What native code looks up through JNI is invisible to this one.
 */
public final class AccessRecorder implements ClassFileTransformer {
    private static final ClassDesc SELF = ClassDesc.of(AccessRecorder.class.getName());
    private static final MethodTypeDesc RECORD = MethodTypeDesc.of(
            ConstantDescs.CD_void,
            ConstantDescs.CD_String,
            ConstantDescs.CD_String,
            ConstantDescs.CD_Object,
            ConstantDescs.CD_Object.arrayType());

    /** The calls that are recorded: class, methods. */
    private static final Map<String, Set<String>> WATCHED = Map.of(
            "java/lang/Class",
            Set.of(
                    "forName",
                    "newInstance",
                    "getConstructor",
                    "getConstructors",
                    "getDeclaredConstructor",
                    "getDeclaredConstructors",
                    "getMethod",
                    "getMethods",
                    "getDeclaredMethod",
                    "getDeclaredMethods",
                    "getField",
                    "getFields",
                    "getDeclaredField",
                    "getDeclaredFields",
                    "getResource",
                    "getResourceAsStream"),
            "java/lang/ClassLoader",
            Set.of("loadClass", "getResource", "getResources", "getResourceAsStream"),
            "java/util/ServiceLoader",
            Set.of("load"),
            "java/lang/reflect/Proxy",
            Set.of("newProxyInstance"),
            "java/lang/invoke/MethodHandles$Lookup",
            Set.of(
                    "findClass",
                    "findStatic",
                    "findVirtual",
                    "findSpecial",
                    "findConstructor",
                    "findGetter",
                    "findSetter",
                    "findVarHandle",
                    "findStaticVarHandle"),
            "java/lang/foreign/Linker",
            Set.of("downcallHandle"));

    private static final Set<String> SEEN = new ConcurrentSkipListSet<>();

    /** Begins to record into a file of this process in the folder that the agent's argument names. */
    public static void premain(String folder, Instrumentation instrumentation) {
        Path file = Path.of(folder, ProcessHandle.current().pid() + ".tsv");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                Files.write(file, SEEN);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }));
        instrumentation.addTransformer(new AccessRecorder());
    }

    @Override
    public byte @Nullable [] transform(
            @Nullable ClassLoader loader,
            @Nullable String name,
            @Nullable Class<?> redefined,
            @Nullable ProtectionDomain domain,
            byte[] bytes) {
        if (loader == null || loader.equals(ClassLoader.getPlatformClassLoader())) {
            return null;
        }
        // Frames name classes, whose hierarchy is read without loading them.
        ClassFile file = ClassFile.of(ClassFile.ClassHierarchyResolverOption.of(
                ClassHierarchyResolver.ofResourceParsing(loader).orElse(ClassHierarchyResolver.defaultResolver())));
        ClassModel model = file.parse(bytes);
        if (!looksSomethingUp(model)) {
            return null;
        }
        String caller = model.thisClass().asInternalName().replace('/', '.');
        return file.transformClass(
                model, ClassTransform.transformingMethodBodies((code, element) -> instrument(code, element, caller)));
    }

    private static boolean looksSomethingUp(ClassModel model) {
        for (PoolEntry entry : model.constantPool()) {
            if (entry instanceof MemberRefEntry member
                    && watched(member.owner().asInternalName(), member.name().stringValue())) {
                return true;
            }
        }
        return false;
    }

    private static boolean watched(String owner, String method) {
        return WATCHED.getOrDefault(owner, Set.of()).contains(method);
    }

    private static void instrument(CodeBuilder code, CodeElement element, String caller) {
        if (element instanceof InvokeInstruction call
                && watched(call.owner().asInternalName(), call.name().stringValue())) {
            recordCall(code, call, caller);
        }
        code.with(element);
    }

    /** Takes the call's operands from the stack, records them, and puts them back. */
    private static void recordCall(CodeBuilder code, InvokeInstruction call, String caller) {
        List<ClassDesc> types = call.typeSymbol().parameterList();
        int[] slots = new int[types.size()];
        for (int i = slots.length - 1; i >= 0; i--) {
            slots[i] = code.allocateLocal(TypeKind.from(types.get(i)));
            code.storeLocal(TypeKind.from(types.get(i)), slots[i]);
        }
        boolean hasReceiver = call.opcode() != Opcode.INVOKESTATIC;
        int receiver = code.allocateLocal(TypeKind.REFERENCE);
        if (hasReceiver) {
            code.astore(receiver);
        }
        code.loadConstant(caller).loadConstant(call.name().stringValue());
        if (hasReceiver) {
            code.aload(receiver);
        } else {
            code.aconst_null();
        }
        code.loadConstant(slots.length).anewarray(ConstantDescs.CD_Object);
        for (int i = 0; i < slots.length; i++) {
            if (!types.get(i).isPrimitive()) {
                code.dup().loadConstant(i).aload(slots[i]).aastore();
            }
        }
        code.invokestatic(SELF, "record", RECORD);
        if (hasReceiver) {
            code.aload(receiver);
        }
        for (int i = 0; i < slots.length; i++) {
            code.loadLocal(TypeKind.from(types.get(i)), slots[i]);
        }
    }

    /**
     * Called before a recorded call.
     *
     * @param arguments those that are primitive are null
     */
    public static void record(String caller, String call, @Nullable Object receiver, @Nullable Object[] arguments) {
        switch (call) {
            case "forName", "loadClass", "findClass" ->
                first(String.class, arguments).ifPresent(name -> see(Access.TYPE, name, caller));
            case "load" -> first(Class.class, arguments).ifPresent(type -> see(Access.SERVICE, type.getName(), caller));
            case "newProxyInstance" ->
                first(Class[].class, arguments).ifPresent(types -> see(Access.PROXY, names(types), caller));
            case "downcallHandle" ->
                first(FunctionDescriptor.class, arguments)
                        .ifPresent(function ->
                                see(Access.DOWNCALL, Access.signature(function, options(arguments)), caller));
            case "getResource", "getResources", "getResourceAsStream" ->
                see(Access.RESOURCE, resource(receiver, String.valueOf(arguments[0])), caller);
            case "newInstance" -> type("allDeclaredConstructors", receiver, caller);
            default -> {
                // Class.getDeclaredMethod(s), getField(s), …; Lookup.findVirtual(type, …), findGetter(type, …), …
                String access = call.startsWith("find") || call.startsWith("getDeclared") ? "allDeclared" : "allPublic";
                type(access + members(call), receiver instanceof Class ? receiver : arguments[0], caller);
            }
        }
    }

    private static String members(String call) {
        if (call.contains("Constructor")) {
            return "Constructors";
        }
        boolean field = call.contains("Field") || call.endsWith("VarHandle") || call.endsWith("etter");
        return field ? "Fields" : "Methods";
    }

    private static void type(String kind, @Nullable Object type, String caller) {
        if (type instanceof Class<?> named && !named.isHidden() && !named.isPrimitive()) {
            see(kind, named.getTypeName(), caller);
        }
    }

    private static String resource(@Nullable Object from, String name) {
        if (!(from instanceof Class<?> beside)) {
            return name;
        }
        return name.startsWith("/")
                ? name.substring(1)
                : beside.getPackageName().replace('.', '/') + "/" + name;
    }

    private static String names(Class<?>[] types) {
        return String.join(",", Arrays.stream(types).map(Class::getName).toList());
    }

    private static List<String> options(@Nullable Object[] arguments) {
        return first(Linker.Option[].class, arguments)
                .map(Arrays::stream)
                .orElseThrow()
                .map(Object::toString)
                .toList();
    }

    private static <T> Optional<T> first(Class<T> type, @Nullable Object[] arguments) {
        return Arrays.stream(arguments).filter(type::isInstance).map(type::cast).findFirst();
    }

    private static void see(String kind, String name, String caller) {
        SEEN.add(new Access(kind, name, caller).line());
    }
}
